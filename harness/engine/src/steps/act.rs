//! What a person does in the web console, and how it went.

use std::time::Duration;

use checks::{ValidationFact, Waiter as _};
use futures::FutureExt as _;
use providers::access::{self, Access};
use scenario::model::{ConsoleAction, EditMode, ImportCluster, KubeconfigSource, PastedKubeconfig, Step};
use stub::console::browser::{Answer, Browser, Outcome};
use stub::console::form::AddCluster;
use stub::console::members::{Import, Toggle};

use super::console::{self, Console, ConsoleError};
use super::{Done, edit, fields, refused};
use crate::cell::World;
use crate::serving::settled;

/// How long a person takes to the console at most.
const AT_THE_CONSOLE: Duration = Duration::from_secs(20);

/// What the page showed in the end.
enum Shown {
    Import { name: String, kubeconfig: String, import: Import },
    Outcome { what: String, outcome: Outcome },
}

/// Does `action` in the console of the step's cluster.
pub async fn act(step: &Step, action: &ConsoleAction, world: &mut World<'_>) -> Done {
    let mut done = Done { command: Some(told(action, world)), ..Done::default() };
    let Some(cluster) = world.pair.cluster(step.on) else {
        done.failure = Some((format!("a {} cluster", step.on), "there is none".to_owned()));
        return done;
    };
    let pasted = match action {
        ConsoleAction::ImportCluster(import) => pasted(&import.kubeconfig, world),
        // A new kubeconfig is another text than the one before, and this cluster has but one.
        ConsoleAction::UpdateKubeconfig { kubeconfig, .. } => {
            pasted(kubeconfig, world).map(|text| format!("{}\n# renewed\n", text.trim_end()))
        }
        ConsoleAction::EditClusterConfiguration(_) | ConsoleAction::RemoveCluster { .. } => Ok(String::new()),
    };
    let kubeconfig = match pasted {
        Ok(kubeconfig) => kubeconfig,
        Err(reason) => {
            done.failure = Some(("a kubeconfig to paste".to_owned(), reason));
            return done;
        }
    };
    let update = matches!(action, ConsoleAction::UpdateKubeconfig { .. }).then(|| kubeconfig.clone());
    let in_the_browser = async {
        let password = &world.facts.admin_password;
        let client = cluster.client();
        // Nobody is at the console as fast as a step is: up to 3.2 pods are still being replaced when the banner is there,
        // and a request is refused now and then. Where it stays so, the console says it.
        let _settled = world.waiter.until_holds(AT_THE_CONSOLE, &|| settled(&client).boxed()).await;
        let browser = console::open(cluster.admin_kubeconfig(), &world.pair.clock, "admin", password).await?;
        press(&browser, action, kubeconfig, world).await
    };
    let Some(shown) = world.stop.run_until_cancelled(in_the_browser).await else {
        done.interrupted = true;
        return done;
    };
    match shown {
        Err(error) => return refused(done, "an answer of the console", &error),
        Ok(Shown::Import { name, kubeconfig, import }) => {
            world.facts.pasted_kubeconfig = Some(kubeconfig);
            let (validation, message) = match import {
                Import::Created { validation } => {
                    world.facts.imported_cluster = Some(name.clone());
                    (validation, None)
                }
                Import::Refused { message, validation } => (validation, Some(message)),
            };
            world.facts.validation = validation.map(fact);
            judge(&mut done, step, &format!("Cluster {name} created"), message);
        }
        Ok(Shown::Outcome { what, outcome }) => {
            let message = match outcome {
                Outcome::Done => {
                    world.facts.pasted_kubeconfig = update.or(world.facts.pasted_kubeconfig.take());
                    None
                }
                Outcome::Refused { message } => Some(message),
            };
            judge(&mut done, step, &what, message);
        }
    }
    done
}

async fn press(
    browser: &Browser<Console>,
    action: &ConsoleAction,
    kubeconfig: String,
    world: &World<'_>,
) -> Result<Shown, ConsoleError> {
    Ok(match action {
        ConsoleAction::ImportCluster(filled) => import(browser, filled, kubeconfig, world).await?,
        ConsoleAction::EditClusterConfiguration(edits) => {
            let edits = fields(edits, world);
            let outcome = browser.edit_cluster_configuration(|text| edit::apply(text, &edits)).await?;
            Shown::Outcome { what: "ClusterConfiguration ks-installer updated".to_owned(), outcome }
        }
        ConsoleAction::UpdateKubeconfig { name, .. } => {
            let name = world.substituted(name);
            let outcome = browser.update_kubeconfig(&name, &kubeconfig).await?;
            Shown::Outcome { what: format!("kubeconfig of {name} updated"), outcome }
        }
        ConsoleAction::RemoveCluster { name } => {
            let name = world.substituted(name);
            let outcome = browser.remove_cluster(&name).await?;
            Shown::Outcome { what: format!("Cluster {name} removed"), outcome }
        }
    })
}

async fn import(
    browser: &Browser<Console>,
    filled: &ImportCluster,
    kubeconfig: String,
    world: &World<'_>,
) -> Result<Shown, ConsoleError> {
    let form = AddCluster {
        name: world.substituted(&filled.name),
        alias: world.substituted(&filled.alias),
        tag: world.substituted(&filled.tag),
        provider: world.substituted(&filled.provider),
        description: world.substituted(&filled.description),
        kubeconfig,
    };
    let import = match &filled.edit_mode {
        None => browser.add_cluster(&form).await?,
        Some((mode, edits)) => {
            let edits = fields(edits, world);
            let toggle = match mode {
                EditMode::Basic => Toggle::FirstStep,
                EditMode::Kubeconfig => Toggle::SecondStep,
            };
            browser.add_cluster_as_yaml(&form, toggle, |text| edit::apply(text, &edits)).await?
        }
    };
    // What was changed in the text counts.
    let edited = filled.edit_mode.iter().flat_map(|(_, edits)| edits);
    let name = edited.into_iter().rfind(|(path, _)| path == "metadata.name");
    let name = name.map_or(form.name, |(_, name)| world.substituted(name));
    Ok(Shown::Import { name, kubeconfig: form.kubeconfig, import })
}

/// The step holds when the page refused what it was to refuse, or nothing.
fn judge(done: &mut Done, step: &Step, success: &str, message: Option<String>) {
    let wanted = step.expect.refused.as_deref();
    done.failure = match (wanted, &message) {
        (None, None) => None,
        (Some(wanted), Some(message)) if message.contains(wanted) => None,
        (Some(wanted), Some(message)) => Some((format!("a refusal with \"{wanted}\""), message.clone())),
        (Some(wanted), None) => Some((format!("a refusal with \"{wanted}\""), success.to_owned())),
        (None, Some(message)) => Some((success.to_owned(), message.clone())),
    };
    done.stdout = Some(message.unwrap_or_else(|| success.to_owned()));
}

fn pasted(kubeconfig: &PastedKubeconfig, world: &World<'_>) -> Result<String, String> {
    let text = match &kubeconfig.source {
        KubeconfigSource::Of(on) => {
            let cluster = world.pair.cluster(*on).ok_or_else(|| format!("there is no {on} cluster"))?;
            cluster.pasteable_kubeconfig().to_owned()
        }
        KubeconfigSource::Output(step) => {
            let fact = world.facts.steps.get(step).ok_or_else(|| format!("step \"{step}\" was not done"))?;
            let cluster = world.pair.cluster(fact.on).ok_or_else(|| format!("there is no {} cluster", fact.on))?;
            let server = |text: &str| Access::of(text).map(|access| access.server).map_err(|error| error.to_string());
            fact.stdout.replace(&server(cluster.admin_kubeconfig())?, &server(cluster.pasteable_kubeconfig())?)
        }
        KubeconfigSource::Text(text) => world.substituted(text),
    };
    match &kubeconfig.server {
        Some(server) => access::with_server(&text, &world.substituted(server)).map_err(|error| error.to_string()),
        None => Ok(text),
    }
}

/// What the report shows in place of a command.
fn told(action: &ConsoleAction, world: &World<'_>) -> String {
    match action {
        ConsoleAction::ImportCluster(import) => {
            let mode = match &import.edit_mode {
                None => "",
                Some((EditMode::Basic, _)) => "Edit YAML in its first step, ",
                Some((EditMode::Kubeconfig, _)) => "Edit YAML in its second step, ",
            };
            format!("console: Add Cluster {}, {mode}Direct connection", world.substituted(&import.name))
        }
        ConsoleAction::EditClusterConfiguration(edits) => {
            let edits = edits.iter().map(|(field, value)| format!("{field}: {}", world.substituted(value)));
            format!("console: ClusterConfiguration ks-installer, Edit YAML: {}", edits.collect::<Vec<_>>().join(", "))
        }
        ConsoleAction::UpdateKubeconfig { name, .. } => {
            format!("console: {}, Update KubeConfig", world.substituted(name))
        }
        ConsoleAction::RemoveCluster { name } => format!("console: {}, Remove Cluster", world.substituted(name)),
    }
}

fn fact(answer: Answer) -> ValidationFact {
    ValidationFact { status: answer.status, body: answer.body }
}
