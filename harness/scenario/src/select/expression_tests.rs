use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::event::Basis;
use crate::known::Known;
use crate::plan::Release;

fn cell(name: &str, labels: &str, release: &str, params: &[(&str, &str)]) -> Cell {
    let text = format!(
        "apiVersion: ks-e2e.dev/v1alpha1\nkind: Scenario\nmetadata: {{name: {name}, labels: {{{labels}}}}}\nspec:\n  steps:\n    - {{name: a, on: host, run: 'true'}}\n"
    );
    let known = Known { checks: &[], releases: &[], kubekeys: &[], delays: &[] };
    let scenario = Arc::new(crate::parse("a.yaml", text.as_bytes(), &known).unwrap().remove(0));
    let params: BTreeMap<String, String> =
        params.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let id = CellId::new(name, release, &params);
    Cell {
        id,
        scenario,
        release: Release { name: release.to_owned(), basis: Basis::Observed },
        params,
        repetition: None,
    }
}

fn cells() -> Vec<Cell> {
    vec![
        cell("import-form", "part: import, via: console", "3.2.1", &[]),
        cell("import-form", "part: import, via: console", "3.4.1", &[]),
        cell("import-twice", "part: import, via: console, variant: negative", "3.4.1", &[]),
        cell("member-kubectl", "part: member, via: kubectl, release: old", "3.3.2", &[("secret", "a b")]),
    ]
}

fn chosen(text: &str) -> Vec<usize> {
    let cells = cells();
    let scenarios: Vec<Scenario> = cells.iter().map(|cell| (*cell.scenario).clone()).collect();
    let expression = parse_expression(text, &Keys::of(&scenarios, &cells)).unwrap();
    (0..cells.len()).filter(|index| expression.holds(&cells[*index])).collect()
}

#[rstest]
#[case("part == import", &[0, 1, 2])]
#[case("part!=import", &[3])]
#[case("label.part == import", &[0, 1, 2])]
#[case("part == import && release >= 3.3.0 && !(variant in (negative, edge))", &[1])]
#[case("release < 3.3 || via == kubectl", &[0, 3])]
#[case("release > 3.3.2", &[1, 2])]
#[case("release <= v3.3.2", &[0, 3])]
#[case("release in (3.2.1, v3.3.2)", &[0, 3])]
#[case("release != 3.4.1", &[0, 3])]
#[case("release =~ 3.4.*", &[1, 2])]
#[case("label.release == old", &[3])]
#[case("name =~ import-*", &[0, 1, 2])]
#[case("name =~ import", &[])]
#[case("name == 'import-twice'", &[2])]
#[case("params.secret == \"a b\"", &[3])]
#[case("variant", &[2])]
#[case("!variant", &[0, 1, 3])]
#[case("variant != negative", &[0, 1, 3])]
#[case("phase == post-install", &[])]
#[case("!!(variant)", &[2])]
#[case("part == member || part == import && variant", &[2, 3])]
#[case("(part == member || part == import) && !variant", &[0, 1, 3])]
fn chooses_cells(#[case] text: &str, #[case] expected: &[usize]) {
    assert_eq!(chosen(text), expected);
}

#[rstest]
#[case::unknown_key("prat == import")]
#[case::unknown_key_later("part == import && relaese >= 3.3.0")]
#[case::unknown_label("label.prat == import")]
#[case::unknown_parameter("params.sceret == a")]
#[case::one_equals_sign("part = import")]
#[case::one_ampersand("part == import & via == console")]
#[case::nothing("")]
#[case::no_value("part ==")]
#[case::no_comparison("part == import &&")]
#[case::no_end("(part == import")]
#[case::more("part == import via == console")]
#[case::open_quote("part == \"import")]
#[case::no_release("release >= new")]
#[case::no_order("part >= import")]
#[case::no_list("part in import")]
#[case::list_without_end("part in (import,")]
#[case::not_latin("part == \u{e9}\u{e9} && \u{e9}x == b")]
#[case::on_two_lines("part == import\n&& prat")]
fn shows_what_is_wrong_and_where(#[case] text: &str) {
    let cells = cells();
    let scenarios: Vec<Scenario> = cells.iter().map(|cell| (*cell.scenario).clone()).collect();
    let error = parse_expression(text, &Keys::of(&scenarios, &cells)).unwrap_err();
    insta::with_settings!({description => text, omit_expression => true}, {
        let name = std::thread::current().name().unwrap().rsplit("::").next().unwrap().to_owned();
        insta::assert_snapshot!(name, error.to_string());
    });
}

#[rstest]
#[case("part == improt", "no cell at hand has part \"improt\"; did you mean \"import\"?")]
#[case("name in (import-form, x) && variant", "no cell at hand has name \"x\"")]
#[case("release >= 9.9", "`ks-e2e list` shows the cells with their labels")]
fn says_what_may_be_meant_when_nothing_matches(#[case] text: &str, #[case] help: &str) {
    let expression = parse_expression(text, &Keys::of([], &cells())).unwrap();
    let error = fulfilling(cells(), &expression, text).unwrap_err().to_string();
    assert!(error.starts_with(&format!("no cell matches \"{text}\"\n  help: {help}")), "{error}");
}

#[test]
fn refuses_what_is_nested_too_deeply() {
    for opening in ["(", "!", "!("] {
        let error = parse_expression(&opening.repeat(100_000), &Keys::of([], &[])).unwrap_err();
        assert!(error.to_string().contains("more than 64"), "{error}");
    }
}

/// An expression whose value is known without the parser.
#[derive(Debug, Clone)]
enum Model {
    Leaf(&'static str, [bool; 4]),
    Not(Box<Model>),
    And(Box<Model>, Box<Model>),
    Or(Box<Model>, Box<Model>),
}

impl Model {
    fn text(&self) -> String {
        match self {
            Self::Leaf(text, _) => (*text).to_owned(),
            Self::Not(inner) => format!("!({})", inner.text()),
            Self::And(left, right) => {
                let part = |model: &Self| match model {
                    Self::Or(..) => format!("({})", model.text()),
                    _ => model.text(),
                };
                format!("{}&&{}", part(left), part(right))
            }
            Self::Or(left, right) => format!("{} || {}", left.text(), right.text()),
        }
    }

    fn holds(&self, index: usize) -> bool {
        match self {
            Self::Leaf(_, holds) => holds[index],
            Self::Not(inner) => !inner.holds(index),
            Self::And(left, right) => left.holds(index) && right.holds(index),
            Self::Or(left, right) => left.holds(index) || right.holds(index),
        }
    }
}

fn model() -> impl Strategy<Value = Model> {
    let leaf = prop_oneof![
        Just(Model::Leaf("part == import", [true, true, true, false])),
        Just(Model::Leaf("variant", [false, false, true, false])),
        Just(Model::Leaf("release >= 3.3.0", [false, true, true, true])),
        Just(Model::Leaf("name in ( import-twice,'member-kubectl' )", [false, false, true, true])),
        Just(Model::Leaf("via =~ \"c*\"", [true, true, true, false])),
    ];
    leaf.prop_recursive(5, 32, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|inner| Model::Not(Box::new(inner))),
            (inner.clone(), inner.clone()).prop_map(|(left, right)| Model::And(Box::new(left), Box::new(right))),
            (inner.clone(), inner).prop_map(|(left, right)| Model::Or(Box::new(left), Box::new(right))),
        ]
    })
}

proptest! {
    #[test]
    fn means_what_logic_says(model in model()) {
        let expected: Vec<usize> = (0..4).filter(|index| model.holds(*index)).collect();
        prop_assert_eq!(chosen(&model.text()), expected);
    }

    #[test]
    fn reads_or_refuses_any_text_with_a_position_inside_it(text in "[a-z=!&|<>~()', \u{e9}\n\"]{0,40}|\\PC{0,20}") {
        if let Err(error) = parse_expression(&text, &Keys::of([], &[])) {
            prop_assert!((1..=text.chars().count() + 1).contains(&error.column()));
            prop_assert!(error.to_string().contains("help: "));
        }
    }
}
