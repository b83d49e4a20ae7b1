//! The rules and the object of the form *Add Cluster* (console v3.4.1, `src/components/Forms/Cluster`,
//! `locales/en/l10n-clusterManagement-clusters.js`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kubesphere::names::{annotations, labels};
use serde_json::{Value, json};

/// The longest name and alias that the form takes.
const LONGEST_NAME: usize = 63;
/// The longest description.
const LONGEST_DESCRIPTION: usize = 256;

/// The message below a name that is taken.
pub const NAME_EXISTS: &str = "The name already exists. Please enter another name.";

/// The form as a person filled it in, for a direct connection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AddCluster {
    /// *Cluster Name*.
    pub name: String,
    /// *Alias*.
    pub alias: String,
    /// *Tag*.
    pub tag: String,
    /// *Provider*.
    pub provider: String,
    /// *Description*.
    pub description: String,
    /// *Member Cluster kubeconfig*, as pasted.
    pub kubeconfig: String,
}

impl AddCluster {
    /// A form with a name and a kubeconfig, and nothing else.
    #[must_use]
    pub fn new(name: impl Into<String>, kubeconfig: impl Into<String>) -> Self {
        Self { name: name.into(), kubeconfig: kubeconfig.into(), ..Self::default() }
    }

    /// Checks the fields that nobody has to be asked for.
    ///
    /// # Errors
    /// The message below the first field that is not as it should be.
    pub fn check(&self) -> Result<(), String> {
        check_name(&self.name)?;
        for (field, text, longest) in
            [("alias", &self.alias, LONGEST_NAME), ("description", &self.description, LONGEST_DESCRIPTION)]
        {
            if text.chars().count() > longest {
                return Err(format!("The {field} is too long: it may have {longest} characters at most."));
            }
        }
        if self.kubeconfig.trim().is_empty() {
            return Err("Please enter the kubeconfig of the member cluster.".to_owned());
        }
        Ok(())
    }

    /// The object as *Edit YAML* shows it, with the kubeconfig as pasted.
    #[must_use]
    pub fn object(&self) -> Value {
        let entries = |entries: &[(&str, &String)]| {
            let filled = entries.iter().filter(|(_, text)| !text.is_empty());
            Value::Object(filled.map(|(key, text)| ((*key).to_owned(), Value::from(text.as_str()))).collect())
        };
        json!({
            "apiVersion": "cluster.kubesphere.io/v1alpha1",
            "kind": "Cluster",
            "metadata": {
                "name": self.name,
                "labels": entries(&[(labels::GROUP, &self.tag)]),
                "annotations": entries(&[
                    (annotations::ALIAS, &self.alias),
                    (annotations::DESCRIPTION, &self.description),
                ]),
            },
            "spec": {
                "provider": self.provider,
                "connection": {"type": "direct", "kubeconfig": self.kubeconfig},
                "joinFederation": true,
            },
        })
    }
}

/// The object that *Create* sends of a form with a name and a kubeconfig. The kubeconfig is encoded whatever it is: one
/// that is encoded already is encoded twice.
#[must_use]
pub fn cluster_object(name: &str, kubeconfig: &str) -> Value {
    AddCluster::new(name, STANDARD.encode(kubeconfig)).object()
}

/// Checks a name as the form does while it is typed. Unlike `hostClusterName` it may hold no periods.
///
/// # Errors
/// The message below the field.
pub fn check_name(name: &str) -> Result<(), String> {
    let outer = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let inner = |c: char| c == '-' || outer(Some(c));
    if name.is_empty() {
        Err("Please enter a cluster name.".to_owned())
    } else if name.len() > LONGEST_NAME {
        Err(format!("The name is too long: it may have {LONGEST_NAME} characters at most."))
    } else if !name.chars().all(inner) || !outer(name.chars().next()) || !outer(name.chars().last()) {
        Err("The name is not valid: use lower-case letters, digits and hyphens (-), and begin and end with a letter or a digit."
            .to_owned())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("member1", true)]
    #[case("m-1", true)]
    #[case("1", true)]
    #[case("", false)]
    #[case("my-host.1", false)]
    #[case("Member", false)]
    #[case("-m", false)]
    #[case("m-", false)]
    #[case("m_1", false)]
    #[case(&"x".repeat(64), false)]
    fn checks_a_name_as_the_form_does(#[case] name: &str, #[case] valid: bool) {
        assert_eq!(check_name(name).is_ok(), valid, "{name}");
    }

    #[rstest]
    #[case::alias(AddCluster { alias: "x".repeat(64), ..AddCluster::new("m", "k") }, "The alias is too long")]
    #[case::description(AddCluster { description: "x".repeat(257), ..AddCluster::new("m", "k") }, "The description is too long")]
    #[case::kubeconfig(AddCluster::new("m", " \n"), "Please enter the kubeconfig")]
    fn says_below_a_field_what_is_wrong_with_it(#[case] form: AddCluster, #[case] message: &str) {
        assert!(form.check().unwrap_err().starts_with(message));
    }

    #[test]
    fn writes_what_was_filled_in() {
        let form = AddCluster {
            alias: "A member".to_owned(),
            tag: "testing".to_owned(),
            provider: "my cloud".to_owned(),
            description: "For tests.".to_owned(),
            ..AddCluster::new("m", "a: b")
        };
        let expected = json!({
            "apiVersion": "cluster.kubesphere.io/v1alpha1",
            "kind": "Cluster",
            "metadata": {
                "name": "m",
                "labels": {"cluster.kubesphere.io/group": "testing"},
                "annotations": {"kubesphere.io/alias-name": "A member", "kubesphere.io/description": "For tests."},
            },
            "spec": {
                "provider": "my cloud",
                "connection": {"type": "direct", "kubeconfig": "a: b"},
                "joinFederation": true,
            },
        });
        assert_eq!(form.object(), expected);
        assert_eq!(form.check(), Ok(()));
    }
}
