use std::env;
use std::fs;
use std::process::{Command, Output};

use super::*;
use crate::image::testing::{self, AMD64, ARM64};
use crate::image::{Image, Settings};

fn here() -> &'static str {
    Elf::read(&env::current_exe().unwrap()).unwrap().architecture.name()
}

/// This test, packed and unpacked again: the layer, and the directory that is its root now.
fn unpacked(directory: &Path) -> (Layer, PathBuf) {
    let layer = Layer::pack(&env::current_exe().unwrap(), here(), &directory.join("layer.tar")).unwrap();
    let root = directory.join("root");
    tar::Archive::new(fs::File::open(&layer.tar).unwrap()).unpack(&root).unwrap();
    (layer, root)
}

fn lists_this_test(output: &Output) {
    let listed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(listed.contains("starts_with_nothing_but_what_was_packed: test"), "{listed}");
}

#[test]
fn starts_with_nothing_but_what_was_packed() {
    let directory = tempfile::tempdir().unwrap();
    let (layer, root) = unpacked(directory.path());
    println!("layer of this test: {} bytes", layer.size);
    let launch = layer.launch_in(root.to_str().unwrap());
    // With the loader's account of where it found every library.
    let output = Command::new(&launch[0]).args(&launch[1..]).arg("--list").env_clear().env("LD_DEBUG", "libs").output();
    let output = output.unwrap();
    lists_this_test(&output);
    // Only glibc's loader gives one.
    if !layer.interpreter.is_some_and(|interpreter| interpreter.contains("/ld-linux")) {
        return;
    }
    let account = String::from_utf8_lossy(&output.stderr);
    let initialized: Vec<_> = account.lines().filter_map(|line| line.split("calling init: ").nth(1)).collect();
    assert!(!initialized.is_empty(), "{account}");
    assert!(initialized.iter().all(|library| library.starts_with(root.to_str().unwrap())), "{initialized:?}");
}

#[test]
fn starts_as_a_container_does() {
    if !nix::unistd::geteuid().is_root() {
        println!("only root may change the root directory");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let (layer, root) = unpacked(directory.path());
    let config = Image::new("some/image", "v1", &layer, &Settings::default()).config();
    let config: serde_json::Value = serde_json::from_slice(&config).unwrap();
    let variables = config["config"]["Env"].as_array().unwrap().iter().map(|pair| pair.as_str().unwrap());
    let executable = config["config"]["Entrypoint"][0].as_str().unwrap();
    let output = Command::new("chroot")
        .env_clear()
        .env("PATH", env::var_os("PATH").unwrap())
        .envs(variables.map(|pair| pair.split_once('=').unwrap()))
        .arg(&root)
        .args([executable, "--list"])
        .output()
        .unwrap();
    lists_this_test(&output);
}

#[test]
fn is_the_same_every_time() {
    let directory = tempfile::tempdir().unwrap();
    let pack = |name: &str| Layer::pack(&env::current_exe().unwrap(), here(), &directory.path().join(name)).unwrap();
    let (first, second) = (pack("first.tar"), pack("second.tar"));
    assert_eq!(first.clone().moved_to(&second.tar), second);
    let written = fs::read(&first.tar).unwrap();
    assert_eq!((first.digest, first.size), (crate::image::digest::of(&written), written.len() as u64));
}

#[test]
fn packs_a_static_executable_alone() {
    let directory = tempfile::tempdir().unwrap();
    let executable = testing::executable(directory.path(), &testing::static_elf(AMD64));
    let layer = Layer::pack(&executable, "amd64", &directory.path().join("layer.tar")).unwrap();
    assert_eq!((layer.interpreter.as_ref(), layer.architecture), (None, Architecture::Amd64));
    assert_eq!(layer.launch_in("/ks-e2e-root/"), ["/ks-e2e-root/ks-e2e"]);
    assert_eq!(layer.loader_variable(), None);

    let root = directory.path().join("root");
    tar::Archive::new(fs::File::open(&layer.tar).unwrap()).unpack(&root).unwrap();
    let mut listed: Vec<_> = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    listed.sort();
    assert_eq!(listed, ["etc", "ks-e2e", "tmp"]);
    if here() == "amd64" {
        assert!(Command::new(&layer.launch_in(root.to_str().unwrap())[0]).status().unwrap().success());
    }
}

#[test]
fn starts_a_dynamic_executable_by_its_loader() {
    let layer = Layer {
        tar: "layer.tar".into(),
        digest: "sha256:00".to_owned(),
        size: 0,
        architecture: Architecture::Amd64,
        interpreter: Some("/lib64/ld-linux-x86-64.so.2".to_owned()),
    };
    let expected = ["/r/lib64/ld-linux-x86-64.so.2", "--library-path", "/r/ks-e2e.libraries", "/r/ks-e2e"];
    assert_eq!(layer.launch_in("/r"), expected);
}

#[test]
fn says_what_is_missing_and_which_build_to_use() {
    let directory = tempfile::tempdir().unwrap();
    let executable = testing::executable(directory.path(), &testing::static_elf(ARM64));
    let into = directory.path().join("layer.tar");

    let missing = Layer::pack(&executable, "amd64", &into).unwrap_err();
    assert!(missing.what.ends_with("it is for arm64, the nodes are amd64"), "{missing}");
    assert!(missing.how.ends_with("cargo build --release --target x86_64-unknown-linux-gnu`"), "{missing}");
    let missing = Layer::pack(&executable, "s390x", &into).unwrap_err();
    assert_eq!(missing.how, "use nodes that are amd64 or arm64");

    fs::write(&executable, "#!/bin/sh\n").unwrap();
    let missing = Layer::pack(&executable, "arm64", &into).unwrap_err();
    assert!(missing.what.contains("it is not a 64-bit ELF file"), "{missing}");
    assert!(missing.how.contains("--target aarch64-unknown-linux-gnu"), "{missing}");
    assert!(!into.exists());
}

#[test]
fn knows_plain_paths() {
    assert_eq!(below_root("/lib64/ld.so").as_deref(), Some("lib64/ld.so"));
    for path in ["", "/", "ld.so", "/lib/../ld.so", "//ld.so"] {
        assert_eq!(below_root(path), None, "{path}");
    }
}
