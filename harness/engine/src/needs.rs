//! What a cell needs of a provider, and what of that its clusters lack.

use providers::pool::Pool;
use providers::{ClusterShape, PairPlan, Restore};
use scenario::event::CellId;
use scenario::model::{Action, GivenCluster};
use scenario::plan::Cell;

/// What `cell` asks for and the clusters of `pool` do not have.
pub fn unsupported(cell: &Cell, pool: &Pool) -> Option<String> {
    let holds = cell.scenario.steps.iter().any(|step| matches!(step.action, Action::Hold(_)));
    let held = (holds && !pool.has_virtual_clock()).then_some(HELD_DELAY);
    held.map(str::to_owned).or_else(|| pool.cannot(&cell.scenario))
}

const HELD_DELAY: &str = "only a virtual clock, as embedded clusters have, can hold a delay";

/// What a cluster that holds `given` needs of a provider.
pub fn shape(given: &GivenCluster) -> ClusterShape {
    ClusterShape { nodes: given.nodes, sync_frequency: given.sync_frequency }
}

/// What `cell` needs of a provider.
pub fn pair_plan(cell: &Cell, seed: u64, behaviour: stub::Behaviour) -> PairPlan {
    let given = &cell.scenario.given;
    let more = usize::from(behaviour.deviates(stub::Deviation::NodeMore));
    let shape = |given| {
        let shape = shape(given);
        ClusterShape { nodes: shape.nodes + more, ..shape }
    };
    PairPlan {
        host: shape(&given.host),
        member: given.member.as_ref().map(shape),
        seed: cell_seed(cell.repetition.map_or(seed, |repetition| repetition.seed), &unrepeated(cell).0),
        behaviour,
        restore: Restore::default(),
    }
}

/// The cell's id without which time it is: the same seed makes the same cell.
fn unrepeated(cell: &Cell) -> CellId {
    CellId::new(&cell.scenario.name, &cell.release.name, &cell.params)
}

/// Another seed for each cell, the same in every run with the same seed.
fn cell_seed(seed: u64, id: &str) -> u64 {
    id.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
