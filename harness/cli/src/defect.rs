//! `--defect`: deviations of the stub, on demand.

use std::fmt::Write as _;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use engine::{Behaviour, Deviation, DeviationKind};

#[derive(Args, Default)]
pub struct Defects {
    /// Put these faults into the stub, with commas between, to see scenarios notice them; `--help` lists them
    #[arg(
        long = "defect",
        value_name = "ID",
        value_delimiter = ',',
        value_parser = ids(),
        hide_possible_values = true,
        long_help = long_help(),
    )]
    chosen: Vec<Deviation>,
}

impl Defects {
    /// How a stub with these deviations behaves.
    pub fn behaviour(&self) -> Behaviour {
        self.chosen.iter().copied().collect()
    }
}

fn ids() -> impl TypedValueParser<Value = Deviation> {
    let values = Deviation::ALL.iter().map(|deviation| PossibleValue::new(deviation.id()).help(deviation.about()));
    PossibleValuesParser::new(values).try_map(|id| Deviation::of_id(&id).ok_or("no such deviation"))
}

fn long_help() -> String {
    let mut text = "Put these faults into the stub, with commas between, to see scenarios notice them.".to_owned();
    for (kind, about) in [
        (DeviationKind::Defect, "Defects, each of which some scenario fails for"),
        (DeviationKind::Benign, "Variations, with which every scenario passes"),
    ] {
        // Writing to a String cannot fail.
        let _written = write!(text, "\n\n{about}:");
        for deviation in Deviation::ALL.iter().filter(|deviation| deviation.kind() == kind) {
            let _written = write!(text, "\n- {}: {}", deviation.id(), deviation.about());
        }
    }
    text
}
