//! `ks-e2e completion`

use std::process::ExitCode;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::arguments::{Arguments, CompletionArguments, ShellName};
use crate::{exit, output};

/// What `ks-e2e run` and its like are given, beside files: names, asked of the command when they are needed. The function
/// that is called is the generated one; behind an option its value comes.
const NAMES_IN_BASH: &str = r#"
_ks-e2e_with_names() {
    _ks__e2e "$@"
    case "${COMP_WORDS[1]}:${COMP_WORDS[COMP_CWORD-1]}:${COMP_WORDS[COMP_CWORD]}" in
        *:-*:* | *:*:-*) ;;
        run:* | list:* | explain:*)
            COMPREPLY+=($(compgen -W "$(ks-e2e list -o name 2>/dev/null | sed 's/@.*//' | uniq)" -- "${COMP_WORDS[COMP_CWORD]}"))
            ;;
    esac
}
complete -F _ks-e2e_with_names -o bashdefault -o default ks-e2e
"#;
const NAMES_IN_FISH: &str = r#"
complete -c ks-e2e -n "__fish_seen_subcommand_from run list explain" -a "(ks-e2e list -o name 2>/dev/null | string replace -r '@.*' '' | uniq)"
"#;

pub fn completion(arguments: &CompletionArguments) -> ExitCode {
    let (shell, names) = match arguments.shell {
        ShellName::Bash => (Shell::Bash, NAMES_IN_BASH),
        ShellName::Zsh => (Shell::Zsh, ""),
        ShellName::Fish => (Shell::Fish, NAMES_IN_FISH),
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "ks-e2e", &mut script);
    // Of a program with a hyphen in its name clap_complete 4.6 takes the rest for a command in half of its script for bash.
    let script = String::from_utf8_lossy(&script).replace("ks__subcmd__e2e", "ks__e2e");
    exit::after_printing(output::print(&(script + names)))
}
