//! Who asks: client certificates, tokens of `ServiceAccount`s, nobody.

mod certificate;
mod claims;
mod signer;
mod tokens;

use std::collections::BTreeMap;

use http::{HeaderMap, header};

pub use certificate::{AcceptAnyClient, PeerCertificate, client_verifier, peer_certificate};
pub use claims::{Bound, BoundClaims, Reference};
pub use signer::{Signer, SigningKeyError};
pub use tokens::Tokens;

use crate::clock::ServerClock;
use crate::names;
use crate::store::Store;

/// The name of nobody in particular.
pub const ANONYMOUS: &str = "system:anonymous";
/// The group of everybody whose name is proven.
pub const AUTHENTICATED: &str = "system:authenticated";
/// The group of everybody else.
pub const UNAUTHENTICATED: &str = "system:unauthenticated";

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct User {
    /// Name.
    pub name: String,
    /// Tells users of one name apart; empty for certificates and nobody.
    pub uid: String,
    /// Groups.
    pub groups: Vec<String>,
    /// What else is known.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl User {
    /// A user of exactly these groups.
    #[must_use]
    pub fn new(name: impl Into<String>, groups: Vec<String>) -> Self {
        Self { name: name.into(), groups, ..Self::default() }
    }

    /// Nobody in particular.
    #[must_use]
    pub fn anonymous() -> Self {
        Self::new(ANONYMOUS, vec![UNAUTHENTICATED.to_owned()])
    }

    /// A user whose name is proven.
    #[must_use]
    pub fn authenticated(name: impl Into<String>, groups: Vec<String>) -> Self {
        Self::new(name, groups).among_authenticated()
    }

    /// The user in the group of everybody known, as `AuthenticatedGroupAdder` of Kubernetes 1.20 adds it: not to
    /// nobody, and not to who is in one of the two groups already.
    #[must_use]
    pub fn among_authenticated(mut self) -> Self {
        if self.name != ANONYMOUS && !self.in_group(AUTHENTICATED) && !self.in_group(UNAUTHENTICATED) {
            self.groups.push(AUTHENTICATED.to_owned());
        }
        self
    }

    /// Whether the user is in `group`.
    #[must_use]
    pub fn in_group(&self, group: &str) -> bool {
        self.groups.iter().any(|found| found == group)
    }

    /// Whether the user is the `ServiceAccount` `name` of `namespace`.
    #[must_use]
    pub fn is_account(&self, namespace: &str, name: &str) -> bool {
        let rest = self.name.strip_prefix(ACCOUNT).and_then(|rest| rest.strip_prefix(namespace));
        rest.and_then(|rest| rest.strip_prefix(':')) == Some(name)
    }
}

/// What the names of `ServiceAccount`s begin with.
const ACCOUNT: &str = "system:serviceaccount:";

/// The name of a `ServiceAccount` as a user.
#[must_use]
pub fn account_user(namespace: &str, name: &str) -> String {
    format!("{ACCOUNT}{namespace}:{name}")
}

/// The groups of a `ServiceAccount`.
#[must_use]
pub fn account_groups(namespace: &str) -> Vec<String> {
    vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")]
}

/// Namespace and name of the `ServiceAccount` that a user's name names.
#[must_use]
pub fn split_account(user: &str) -> Option<(&str, &str)> {
    let (namespace, name) = user.strip_prefix("system:serviceaccount:")?.split_once(':')?;
    (names::is_namespace_name(namespace) && names::is_object_name(name)).then_some((namespace, name))
}

/// What is said of a token that nobody knows.
const INVALID: &str = "invalid bearer token";

/// What an authenticator makes of a request, as those of the original: an answer, an error, or no opinion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// A user, and the audiences for which the proof holds.
    Proven(User, Vec<String>),
    /// The credential proves nothing, in the original's words.
    Failed(String),
    /// There was no such credential.
    Absent,
}

/// The token of an `Authorization` header: two words or more, the first of them `Bearer`, the second not empty.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    bearer_token(value)
}

fn bearer_token(header: &str) -> Option<&str> {
    let mut words = header.trim().splitn(3, ' ');
    let scheme = words.next()?;
    words.next().filter(|token| !token.is_empty() && scheme.eq_ignore_ascii_case("bearer"))
}

/// What all authenticators look at besides the request.
#[derive(Clone, Copy)]
pub struct Evidence<'a> {
    /// Verifies tokens.
    pub tokens: &'a Tokens,
    /// Says whether accounts, Secrets and pods are still there.
    pub store: &'a Store,
    /// Says what has expired.
    pub clock: ServerClock,
}

impl Evidence<'_> {
    /// Who asks, by all that was shown. A credential that proves nothing is worse than none: it makes no anonymous.
    ///
    /// # Errors
    /// Why nobody was recognised, for a 401.
    pub fn authenticate(&self, peer: &PeerCertificate, headers: &HeaderMap) -> Result<User, String> {
        let certificate = peer.proof(self.clock);
        if let Proof::Proven(user, _) = certificate {
            return Ok(user);
        }
        let audiences = self.tokens.audiences().to_vec();
        match (bearer(headers).map(|token| self.tokens.proof(token, &audiences, self)), certificate) {
            (Some(Proof::Proven(user, _)), _) => Ok(user),
            (Some(Proof::Failed(why)), _) | (_, Proof::Failed(why)) => Err(why),
            _ => Ok(User::anonymous()),
        }
    }

    /// Whose `token` is, asked for `audiences`: what a `TokenReview` does, which hands the token on as a header.
    #[must_use]
    pub fn review(&self, token: &str, audiences: &[String]) -> Proof {
        let header = format!("Bearer {token}");
        match bearer_token(&header) {
            Some(token) => match self.tokens.proof(token, audiences, self) {
                Proof::Absent => Proof::Failed(INVALID.to_owned()),
                // The tokens of the server's own loopback are asked too, and know this one no better.
                Proof::Failed(why) if why != INVALID => Proof::Failed(format!("[{INVALID}, {why}]")),
                proof => proof,
            },
            None => Proof::Proven(User::anonymous(), audiences.to_vec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("Bearer a.b.c", Some("a.b.c"))]
    #[case("bearer a", Some("a"))]
    #[case("  BEARER a  ", Some("a"))]
    #[case("Bearer a b c", Some("a"))]
    #[case("Bearer  a", None)]
    #[case("Bearer ", None)]
    #[case("Bearer", None)]
    #[case("Basic YTpi", None)]
    #[case("", None)]
    fn finds_the_token_of_a_header(#[case] header: &str, #[case] expected: Option<&str>) {
        assert_eq!(bearer_token(header), expected);
    }

    #[rstest]
    #[case("system:serviceaccount:a:b", Some(("a", "b")))]
    #[case("system:serviceaccount:a:b.c", Some(("a", "b.c")))]
    #[case("system:serviceaccount:a:b:c", None)]
    #[case("system:serviceaccount:A:b", None)]
    #[case("system:serviceaccount:a:", None)]
    #[case("jane", None)]
    fn splits_the_names_of_accounts(#[case] user: &str, #[case] expected: Option<(&str, &str)>) {
        assert_eq!(split_account(user), expected);
    }

    #[rstest]
    #[case("jane", &[], &["system:authenticated"])]
    #[case("jane", &["a"], &["a", "system:authenticated"])]
    #[case("jane", &["system:unauthenticated"], &["system:unauthenticated"])]
    #[case("jane", &["system:authenticated", "a"], &["system:authenticated", "a"])]
    #[case("system:anonymous", &[], &[])]
    fn counts_the_known_among_the_authenticated(
        #[case] name: &str,
        #[case] groups: &[&str],
        #[case] expected: &[&str],
    ) {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        assert_eq!(User::authenticated(name, groups).groups, expected);
    }
}
