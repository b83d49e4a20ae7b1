//! The last words of a successful run (ks-installer v3.3.2, role `check-result`).

use jiff::Timestamp;
use jiff::tz::TimeZone;

const HASHES: &str = "#####################################################";
const TITLE: &str = "###              Welcome to KubeSphere!           ###";

/// What the banner tells.
pub struct Banner<'a> {
    /// Address of the first node.
    pub node_address: &'a str,
    /// `NodePort` of the console.
    pub node_port: u16,
    /// Password of the user `admin`, as far as the installer knows it.
    pub password: &'a str,
    /// When the run ended.
    pub at: Timestamp,
}

impl Banner<'_> {
    /// The banner's lines.
    pub fn text(&self) -> String {
        let at = self.at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S").to_string();
        let Self { node_address, node_port, password, .. } = self;
        format!(
            "{HASHES}\n{TITLE}\n{HASHES}\n\n\
             Console: http://{node_address}:{node_port}\n\
             Account: admin\n\
             Password: {password}\n\n\
             NOTES\u{ff1a}\n  \
               1. After the first login, look at the service components in\n     \
                  \"Cluster Management\". If any service is not\n     \
                  ready yet, give it some more time.\n  \
               2. Choose a password of your own.\n\n\
             {HASHES}\n\
             https://kubesphere.io             {at}\n\
             {HASHES}"
        )
    }
}

/// Finds a banner in a log, line by line.
#[derive(Default)]
pub struct Reader {
    lines: Vec<String>,
}

impl Reader {
    /// Takes the next line; hands out the banner that it completes.
    pub fn read(&mut self, line: &str) -> Option<String> {
        match (self.lines.len(), line) {
            (1, TITLE) | (2.., _) => self.lines.push(line.to_owned()),
            (_, HASHES) => self.lines = vec![line.to_owned()],
            _ => self.lines.clear(),
        }
        let rules = self.lines.iter().filter(|line| *line == HASHES).count();
        (rules == 4).then(|| std::mem::take(&mut self.lines).join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_banner_in_a_log() {
        let at = "2026-11-22T12:51:30Z".parse().unwrap();
        let text = Banner { node_address: "192.0.2.2", node_port: 30880, password: "P@88w0rd", at }.text();
        let log = format!("{HASHES}\nno banner\n{text}\nmore\n");
        let mut reader = Reader::default();
        let found: Vec<_> = log.lines().filter_map(|line| reader.read(line)).collect();
        assert_eq!(found, [text]);
    }

    #[test]
    fn tells_where_the_console_is_and_when_the_run_ended() {
        let banner = Banner {
            node_address: "192.0.2.2",
            node_port: 30880,
            password: "P@88w0rd",
            at: "2026-11-22T12:51:30Z".parse().unwrap(),
        };
        let text = banner.text();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[1], "###              Welcome to KubeSphere!           ###");
        assert_eq!(lines[4..7], ["Console: http://192.0.2.2:30880", "Account: admin", "Password: P@88w0rd"]);
        assert_eq!(lines[8], "NOTES：");
        assert_eq!(lines[lines.len() - 2], "https://kubesphere.io             2026-11-22 12:51:30");
        assert_eq!(lines[0], lines[lines.len() - 1]);
    }
}
