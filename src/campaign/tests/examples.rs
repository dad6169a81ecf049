//! Every campaign in `deploy/examples` is one that this version accepts.

use campaign::check::{Grounds, read};
use campaign::scope::{Grant, Right};
use campaign::{Campaign, Instant, Scope};
use std::path::Path;

/// The scope in `deploy/reveille.toml`, without exec.
fn operator() -> Scope {
    let rights = vec![Right::Read, Right::Write];
    Scope::new(&[Grant { uri: ".".into(), rights }], &["./User".into()]).expect("plain patterns")
}

#[test]
fn every_example_is_accepted() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/examples");
    let now = Instant::parse("2026-11-22T00:00:00Z").unwrap();
    let scope = operator();
    let mut accepted = Vec::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let extension = path.extension().unwrap_or_default();
        if extension != "yaml" && extension != "json" {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let campaign =
            read(&text, &Grounds { authority: Some("operator"), ..Grounds::offline(&scope, now) })
                .unwrap_or_else(|problems| panic!("{}: {problems:#?}", path.display()));
        let stored = Campaign::from_stored(&campaign.to_stored()).unwrap();
        assert!(stored.document().same_as(campaign.document()), "{}", path.display());
        accepted.push(path.file_stem().unwrap().to_string_lossy().into_owned());
    }
    for name in ["qos-uplift", "new-apn", "stale-gateway", "standing-gateway"] {
        assert!(
            accepted.iter().any(|accepted| accepted == name),
            "{name} is not among {accepted:?}"
        );
    }
}
