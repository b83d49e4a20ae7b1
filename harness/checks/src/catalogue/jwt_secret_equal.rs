//! Host and member sign and verify with one secret.

use futures::FutureExt;

use super::flat;
use crate::call::{CheckEntry, Clusters};
use crate::context::CheckContext;
use crate::finding::Finding;
use crate::read::{Seen, objects};

pub(super) const ENTRY: CheckEntry = CheckEntry {
    name: "jwt-secret-equal",
    id: "C04",
    about: "jwtSecret in kubesphere-config is the same on host and member, and not empty",
    args: &[],
    on: Clusters::Both,
    run: |_, ctx| async move { Ok(flat(check(ctx).await)) }.boxed(),
};

async fn check(ctx: &CheckContext<'_>) -> Seen<Finding> {
    let Some(member) = ctx.member else {
        return Ok(Finding::cannot_tell("there is no member cluster"));
    };
    // Parsed, not grepped: the value stands in quotes until KubeSphere rewrites the document, and without them after.
    let host = objects::kubesphere_config(ctx.host).await?;
    let member = objects::kubesphere_config(member).await?;
    let (of_host, of_member) = (host.secret(), member.secret());
    let lengths = format!("host: {}\nmember: {}", in_words(of_host), in_words(of_member));
    let expected = "one jwtSecret on host and member";
    let finding = if of_host.is_empty() || of_member.is_empty() {
        let empty = if of_host.is_empty() { "host" } else { "member" };
        let message = format!(
            "{empty} cluster: jwtSecret in kubesphere-config is empty; set spec.authentication.jwtSecret of its ClusterConfiguration \
             to a value and wait for ks-installer"
        );
        Finding::fails(expected, format!("the {empty}'s is empty"), message)
    } else if of_host == of_member {
        Finding::holds()
    } else {
        let actual = difference(of_host, of_member);
        let message = format!(
            "host and member have different jwtSecrets: {actual}; copy the host's value to spec.authentication.jwtSecret of the \
             member's ClusterConfiguration and wait for ks-installer"
        );
        Finding::fails(expected, actual, message)
    };
    Ok(finding.with("jwtSecret in kubesphere-config", lengths))
}

/// A secret in words.
pub(super) fn in_words(secret: &str) -> String {
    match secret.chars().count() {
        0 => "empty".to_owned(),
        1 => "1 character".to_owned(),
        count => format!("{count} characters"),
    }
}

/// How the member's value differs, in a way that points at the slip behind it and tells nothing of the values.
fn difference(of_host: &str, of_member: &str) -> String {
    const QUOTES: &[char] = &['"', '\'', '“', '”', '‘', '’'];
    if of_member.trim_matches(QUOTES) == of_host {
        "the member's is the host's with quotation marks in it".to_owned()
    } else if of_member.trim() == of_host {
        "the member's is the host's with blanks around it".to_owned()
    } else if of_member.trim().trim_matches(QUOTES).trim() == of_host {
        "the member's is the host's with quotation marks and blanks around it".to_owned()
    } else if of_member.eq_ignore_ascii_case(of_host) {
        "they differ in upper and lower case only".to_owned()
    } else if of_host.starts_with(of_member) || of_host.ends_with(of_member) {
        format!("the member's is a part of the host's ({} of {})", of_member.chars().count(), of_host.chars().count())
    } else {
        let (host, member) = (in_words(of_host), in_words(of_member));
        if host == member {
            format!("{host} each, not the same")
        } else {
            format!("{host} on the host, {member} on the member")
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use crate::testing::{FakeCluster, Run, config_with_secret};

    const SECRET: &str = "gfIwilcc0WjNGKJ5DLeksf2JKfcLgTZU";

    fn run(host: &str, member: &str) -> Run {
        Run::new(
            FakeCluster::host().config(&config_with_secret(host)),
            FakeCluster::member().config(&config_with_secret(member)),
        )
    }

    #[rstest]
    #[case(&format!("\"{SECRET}\""), &format!("\"{SECRET}\""))]
    #[case(&format!("\"{SECRET}\""), SECRET)]
    #[tokio::test]
    async fn holds_with_and_without_quotes(#[case] host: &str, #[case] member: &str) {
        run(host, member).check("jwt-secret-equal", &[]).await.holds();
    }

    #[rstest]
    #[case("mFIwilcc0WjNGKJ5DLeksf2JKfcLgTZU", "32 characters each, not the same")]
    #[case("abc", "32 characters on the host, 3 characters on the member")]
    #[case("gfIwilcc0WjNGKJ5DLek", "the member's is a part of the host's (20 of 32)")]
    #[case("'\"gfIwilcc0WjNGKJ5DLeksf2JKfcLgTZU\"'", "the member's is the host's with quotation marks in it")]
    #[case("“gfIwilcc0WjNGKJ5DLeksf2JKfcLgTZU”", "the member's is the host's with quotation marks in it")]
    #[case("\"gfIwilcc0WjNGKJ5DLeksf2JKfcLgTZU \"", "the member's is the host's with blanks around it")]
    #[case("GFIWILCC0WJNGKJ5DLEKSF2JKFCLGTZU", "they differ in upper and lower case only")]
    #[tokio::test]
    async fn fails_naming_the_slip_and_no_value(#[case] member: &str, #[case] slip: &str) {
        run(SECRET, member).check("jwt-secret-equal", &[]).await.fails(&format!(
            "host and member have different jwtSecrets: {slip}; copy the host's value to spec.authentication.jwtSecret of the \
             member's ClusterConfiguration and wait for ks-installer"
        ));
    }

    #[rstest]
    #[case::of_the_host("\"\"", SECRET, "host")]
    #[case::of_the_member(SECRET, "\"\"", "member")]
    #[tokio::test]
    async fn fails_when_one_is_empty(#[case] host: &str, #[case] member: &str, #[case] empty: &str) {
        let message = format!("{empty} cluster: jwtSecret in kubesphere-config is empty");
        run(host, member).check("jwt-secret-equal", &[]).await.fails_with(&message);
    }

    #[tokio::test]
    async fn fails_when_both_are_empty() {
        run("\"\"", "\"\"").check("jwt-secret-equal", &[]).await.fails(
            "host cluster: jwtSecret in kubesphere-config is empty; set spec.authentication.jwtSecret of its ClusterConfiguration \
             to a value and wait for ks-installer",
        );
    }
}
