//! The same cells again, each time with another seed that can be given again.

use serde::{Deserialize, Serialize};

use crate::event::CellId;
use crate::plan::Cell;

/// Which time this is that a cell runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Repetition {
    /// From 1.
    pub number: u32,
    /// The seed with which a run of this cell alone is the same.
    pub seed: u64,
}

/// Each of `cells` as often as `times` says, with seeds derived from `seed`. Repetitions of a cell follow each other, and
/// have `#2` and so on behind their ids, as ids are unique in a run.
#[must_use]
pub fn repeated(cells: Vec<Cell>, times: u32, seed: u64) -> Vec<Cell> {
    if times <= 1 {
        return cells;
    }
    let repetition = |cell: &Cell, number: u32| Cell {
        id: if number == 1 { cell.id.clone() } else { CellId(format!("{}#{number}", cell.id)) },
        repetition: Some(Repetition { number, seed: derived(seed, u64::from(number) - 1) }),
        ..cell.clone()
    };
    cells.iter().flat_map(|cell| (1..=times).map(move |number| repetition(cell, number))).collect()
}

/// The seed after `steps` others; `seed` itself for none. Short, as a person types it.
#[must_use]
pub fn derived(seed: u64, steps: u64) -> u64 {
    if steps == 0 {
        return seed;
    }
    // SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
    let mut mixed = seed.wrapping_add(steps.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) >> 32
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn gives_every_step_a_seed_of_its_own_and_the_first_the_given_one() {
        assert_eq!(derived(7, 0), 7);
        let seeds: BTreeSet<u64> = (0..1000).map(|steps| derived(7, steps)).collect();
        assert_eq!(seeds.len(), 1000);
        assert_eq!(derived(7, 3), 3_868_737_664);
    }
}
