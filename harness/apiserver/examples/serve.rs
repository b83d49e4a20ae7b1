//! Starts an API server, writes the administrator's kubeconfig to the file named first, and serves until Ctrl-C:
//! `cargo run -p ks-e2e-apiserver --example serve -- /tmp/kubeconfig`. With `--alone` behind it pods get no accounts, as
//! from an API server that has no controllers beside it.

use apiserver::{ApiServer, Options};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("name the file to write the kubeconfig to")?;
    let alone = std::env::args().any(|argument| argument == "--alone");
    let options = Options { service_account_admission: !alone, ..Options::default() };
    let server = ApiServer::start(options).await?;
    std::fs::write(&path, server.admin_kubeconfig(&format!("https://{}", server.address()), "kubernetes")?)?;
    println!("serving on {}; kubeconfig in {path}", server.address());
    tokio::signal::ctrl_c().await?;
    for miss in server.surface_misses() {
        println!("not served: {miss}");
    }
    server.stop().await;
    Ok(())
}
