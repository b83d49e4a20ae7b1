//! Who asks where it is not the administrator: nobody, whoever has a token, whoever has a certificate. Both kinds of
//! proof are made by this test, with the keys of each server or with foreign ones.

pub mod certificate;
pub mod keys;
pub mod token;

use serde::Deserialize;

use certificate::CertificateSpec;

/// Who asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Credentials {
    /// The administrator, by certificate.
    #[default]
    Administrator,
    /// Nobody: neither certificate nor token.
    Anonymous,
    /// Whoever has this token; variables are filled in.
    Bearer(String),
    /// Whoever has such a certificate.
    Certificate(CertificateSpec),
}

/// Credentials as they are written: `anonymous`, `{bearer: TOKEN}` or `{certificate: {…}}`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Text {
    Name(Name),
    Bearer(Bearer),
    Certificate(Certificate),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Name {
    Anonymous,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bearer {
    bearer: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Certificate {
    certificate: CertificateSpec,
}

impl<'de> Deserialize<'de> for Credentials {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Text::deserialize(deserializer)? {
            Text::Name(Name::Anonymous) => Self::Anonymous,
            Text::Bearer(Bearer { bearer }) => Self::Bearer(bearer),
            Text::Certificate(Certificate { certificate }) => Self::Certificate(certificate),
        })
    }
}

/// Whose key signs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Signer {
    /// The server's own.
    #[default]
    Own,
    /// Somebody else's.
    Foreign,
}

/// Seconds from now, as `1h`, `-30s` or `+5m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offset(pub i64);

impl Offset {
    /// Reads an offset.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return None,
        };
        number.parse::<i64>().ok()?.checked_mul(seconds).map(Self)
    }
}

impl<'de> Deserialize<'de> for Offset {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("an offset is a number and s, m or h, as -30s"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("30s", Some(30))]
    #[case("-2h", Some(-7200))]
    #[case("+5m", Some(300))]
    #[case("5", None)]
    #[case("m", None)]
    #[case("", None)]
    fn reads_offsets(#[case] text: &str, #[case] expected: Option<i64>) {
        assert_eq!(Offset::parse(text), expected.map(Offset));
    }

    #[rstest]
    #[case("anonymous", Credentials::Anonymous)]
    #[case("{bearer: abc}", Credentials::Bearer("abc".to_owned()))]
    #[case("{certificate: {commonName: a}}", Credentials::Certificate(CertificateSpec { common_name: Some("a".to_owned()), ..CertificateSpec::default() }))]
    fn reads_credentials(#[case] text: &str, #[case] expected: Credentials) {
        assert_eq!(serde_yaml::from_str::<Credentials>(text).unwrap(), expected);
    }
}
