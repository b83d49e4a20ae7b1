//! `kubesphere.yaml` where the installer deviates.

use crate::member::go_yaml;
use crate::{Behaviour, Deviation};

/// The role that is rendered in place of `role`.
pub fn of_role(role: String, behaviour: Behaviour) -> String {
    let is = |deviation| behaviour.deviates(deviation);
    match role.as_str() {
        _ if is(Deviation::RoleIgnored) => "none".to_owned(),
        "host" if is(Deviation::HostAsMember) => "member".to_owned(),
        "member" if is(Deviation::MemberAsHost) => "host".to_owned(),
        _ => role,
    }
}

/// `secret` as it stands behind its key.
pub fn of_secret(secret: &str, behaviour: Behaviour) -> String {
    let mut characters = secret.chars();
    if behaviour.deviates(Deviation::SecretTruncated) {
        characters.next_back();
    }
    let secret = characters.as_str();
    if behaviour.deviates(Deviation::SecretUnquoted) { go_yaml::scalar(secret) } else { format!("\"{secret}\"") }
}

/// The whole text.
pub fn of_text(text: String, behaviour: Behaviour) -> String {
    let is = |deviation| behaviour.deviates(deviation);
    let mut text = if is(Deviation::ConfigReordered) { reordered(&text) } else { text };
    if is(Deviation::ConfigWithUnknownKeys) {
        text = text.replacen("network:\n", "network:\n  policyEngine: none\n", 1);
        text.push_str("sustainability:\n  enabled: false\n  regions: [a, b]\n");
    }
    text
}

/// The sections from the last to the first.
fn reordered(text: &str) -> String {
    let mut sections: Vec<String> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        match sections.last_mut() {
            Some(section) if line.starts_with(' ') => section.extend([line, "\n"]),
            _ => sections.push(format!("{line}\n")),
        }
    }
    sections.reverse();
    sections.concat()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("abc", Deviation::SecretUnquoted, "abc")]
    #[case("123", Deviation::SecretUnquoted, "\"123\"")]
    #[case("abc", Deviation::SecretTruncated, "\"ab\"")]
    #[case("", Deviation::SecretTruncated, "\"\"")]
    #[case("abc", Deviation::ConfigReordered, "\"abc\"")]
    fn writes_a_secret(#[case] secret: &str, #[case] deviation: Deviation, #[case] written: &str) {
        assert_eq!(of_secret(secret, deviation.into()), written);
    }

    #[test]
    fn turns_the_order_of_sections() {
        let text = "a:\n  b: 1\n\nc:\n- d\n".to_owned();
        assert_eq!(
            of_text("a:\n  b: 1\n\nc:\n  d: 2\n".to_owned(), Deviation::ConfigReordered.into()),
            "c:\n  d: 2\na:\n  b: 1\n"
        );
        assert_eq!(of_text(text.clone(), Behaviour::default()), text);
    }
}
