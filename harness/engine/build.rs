//! Has the crate built again when a scenario is added: the directory is inside of it.

fn main() {
    println!("cargo::rerun-if-changed=../../scenarios");
}
