//! Starts an API server, writes the administrator's kubeconfig to the file named first, and serves until Ctrl-C:
//! `cargo run -p ks-e2e-apiserver --example serve -- /tmp/kubeconfig`.

use apiserver::{ApiServer, Options};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("name the file to write the kubeconfig to")?;
    let server = ApiServer::start(Options {
        service_account_admission: std::env::var_os("BARE").is_none(),
        ..Options::default()
    })
    .await?;
    std::fs::write(&path, server.admin_kubeconfig(&format!("https://{}", server.address()), "kubernetes")?)?;
    println!("serving on {}; kubeconfig in {path}", server.address());
    tokio::signal::ctrl_c().await?;
    for miss in server.surface_misses() {
        println!("not served: {miss}");
    }
    server.stop().await;
    Ok(())
}
