//! `--defect`: faults of the stub, on demand.

use clap::{Args, ValueEnum};
use engine::{Behaviour, FirstJoin};

#[derive(Args)]
pub struct Defects {
    /// Put these faults into the stub, to see a check fail or a bug of the original at will
    #[arg(long = "defect", value_enum, value_name = "ID", value_delimiter = ',')]
    chosen: Vec<Defect>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Defect {
    /// ks-installer applies role none whatever the `ClusterConfiguration` says
    RoleIgnored,
    /// A member's first join loses its `ServiceAccount` to the member's token controller; the resync joins it
    FirstJoinAccountRace,
    /// A member's first join reads its token before the member's token controller wrote it; the resync joins it
    FirstJoinTokenRace,
}

impl Defects {
    /// How a stub with these faults behaves; of two ways for the first join to go wrong, the last.
    pub fn behaviour(&self) -> Behaviour {
        let mut behaviour = Behaviour::default();
        for defect in &self.chosen {
            match defect {
                Defect::RoleIgnored => behaviour.role_ignored = true,
                Defect::FirstJoinAccountRace => behaviour.first_join = FirstJoin::LosesAccount,
                Defect::FirstJoinTokenRace => behaviour.first_join = FirstJoin::LosesToken,
            }
        }
        behaviour
    }
}
