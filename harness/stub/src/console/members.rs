//! The pages of member clusters: *Add Cluster*, *Update `KubeConfig`*, *Remove Cluster* (console v3.4.1,
//! `src/actions/cluster.js`, `src/stores/cluster.js`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};

use super::browser::{Answer, Browser, Call, Http, Outcome, unexpected};
use super::form::{self, AddCluster};

const CLUSTERS: &str = "/apis/cluster.kubesphere.io/v1alpha1/clusters";
const ACTIONS: &str = "/kapis/cluster.kubesphere.io/v1alpha1/clusters";

/// What became of the Add Cluster form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Import {
    /// The form showed a message and stayed open.
    Refused {
        /// The message.
        message: String,
        /// Answer to the validation call, if it came to that.
        validation: Option<Answer>,
    },
    /// The Cluster was created.
    Created {
        /// Answer to the validation call; none for a connection through an agent, which is not validated.
        validation: Option<Answer>,
    },
}

/// The step of the form on which *Edit YAML* is switched on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Toggle {
    /// Basic information.
    FirstStep,
    /// The connection.
    SecondStep,
}

impl<H: Http> Browser<H> {
    /// Fills in the form *Add Cluster* for a direct connection and presses *Create*.
    ///
    /// # Errors
    /// When the console does not answer as it should.
    pub async fn add_cluster(&self, filled: &AddCluster) -> Result<Import, H::Error> {
        let refused = |message: String| Ok(Import::Refused { message, validation: None });
        if let Err(message) = form::check_name(&filled.name) {
            return refused(message);
        }
        if self.exists(&filled.name).await? {
            return refused(form::NAME_EXISTS.to_owned());
        }
        match filled.check() {
            Ok(()) => self.create_cluster(filled.object()).await,
            Err(message) => refused(message),
        }
    }

    /// Fills in the form, switches to *Edit YAML*, lets `edit` change the text and presses *Create*. On the form's first
    /// step nothing has looked at the name yet; the second comes after that.
    ///
    /// # Errors
    /// When the console does not answer as it should.
    pub async fn add_cluster_as_yaml<F, E>(
        &self,
        filled: &AddCluster,
        toggle: Toggle,
        edit: F,
    ) -> Result<Import, H::Error>
    where
        F: FnOnce(&str) -> Result<String, E> + Send,
        E: std::fmt::Display,
    {
        let refused = |message: String| Ok(Import::Refused { message, validation: None });
        if toggle == Toggle::SecondStep {
            if let Err(message) = form::check_name(&filled.name) {
                return refused(message);
            }
            if self.exists(&filled.name).await? {
                return refused(form::NAME_EXISTS.to_owned());
            }
        }
        let shown = serde_yaml::to_string(&filled.object()).unwrap_or_default();
        let edited = match edit(&shown) {
            Ok(text) => text,
            Err(error) => return refused(error.to_string()),
        };
        match serde_yaml::from_str(&edited) {
            Ok(cluster) => self.create_cluster(cluster).await,
            Err(error) => refused(error.to_string()),
        }
    }

    /// Presses *Create* in *Edit YAML*, where the kubeconfig stands as it is and the form's rules do not hold. A direct
    /// connection is validated first, and created only if that went well.
    ///
    /// # Errors
    /// When the console does not answer as it should.
    pub async fn create_cluster(&self, mut cluster: Value) -> Result<Import, H::Error> {
        let connection = &mut cluster["spec"]["connection"];
        let mut validation = None;
        if connection["type"] == "direct" {
            // Whatever stands there is encoded; what is encoded already is encoded twice.
            let kubeconfig = connection["kubeconfig"].as_str().unwrap_or_default();
            connection["kubeconfig"] = STANDARD.encode(kubeconfig).into();
            let answer =
                self.send(&Call::new(Method::POST, format!("{ACTIONS}/validation")).with(cluster.clone())).await?;
            if !answer.is_success() {
                return Ok(Import::Refused { message: answer.message(), validation: Some(answer) });
            }
            validation = Some(answer);
        } else if let Some(connection) = connection.as_object_mut() {
            connection.shift_remove("kubeconfig");
        }
        let answer = self.send(&Call::new(Method::POST, CLUSTERS).with(cluster)).await?;
        if answer.is_success() {
            Ok(Import::Created { validation })
        } else {
            Ok(Import::Refused { message: answer.message(), validation })
        }
    }

    /// *Update `KubeConfig`* of a member.
    ///
    /// # Errors
    /// When the console does not answer.
    pub async fn update_kubeconfig(&self, cluster: &str, kubeconfig: &str) -> Result<Outcome, H::Error> {
        let body = json!({"kubeconfig": STANDARD.encode(kubeconfig)});
        let answer = self.send(&Call::new(Method::PUT, format!("{ACTIONS}/{cluster}/kubeconfig")).with(body)).await?;
        Ok(Outcome::of(&answer))
    }

    /// *Remove Cluster* of a member; the person has typed its name, which is what enables the button.
    ///
    /// # Errors
    /// When the console does not answer.
    pub async fn remove_cluster(&self, cluster: &str) -> Result<Outcome, H::Error> {
        let answer = self.send(&Call::new(Method::DELETE, format!("{CLUSTERS}/{cluster}"))).await?;
        Ok(Outcome::of(&answer))
    }

    /// Asks whether a Cluster has the name, as the form does while it is typed.
    async fn exists(&self, name: &str) -> Result<bool, H::Error> {
        let call = Call { check_exist: true, ..Call::new(Method::GET, format!("{CLUSTERS}/{name}")) };
        let answer = self.send(&call).await?;
        match answer.status {
            404 => Ok(false),
            // The console answers the question itself: `{"exist": false}` for a name that is free.
            200 => Ok(answer.json()["exist"].as_bool().unwrap_or(true)),
            _ => Err(unexpected(&call, answer).into()),
        }
    }
}
