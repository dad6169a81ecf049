//! R8 and R9: what belongs to the user, or to another authority, is never written, however it is spelt.

use super::*;
use proptest::prelude::*;

fn grant(uri: &str, rights: &[Right]) -> Grant {
    Grant { uri: uri.into(), rights: rights.to_vec() }
}

/// An operator who may write access points and `QoS`, run diagnostics, rename its own proxies; bookmarks are the user's.
fn operator() -> Scope {
    let grants = [
        grant("./AP", &[Right::Write]),
        grant("./ConnMO/QoS", &[Right::Write]),
        grant("./Diag/*/Start", &[Right::Exec]),
        grant("./Proxy", &[Right::Write, Right::Admin]),
        grant("./DevInfo", &[Right::Read]),
    ];
    let owned = [
        "./AP/*/Personal".to_owned(),
        "./Proxy/User".to_owned(),
        "./ConnMO/QoS/Ringtone".to_owned(),
    ];
    Scope::new(&grants, &owned).unwrap()
}

fn ask(verb: Verb, uri: &str) -> Result<(), Denied> {
    operator().allows(verb, &LocUri::parse(uri).unwrap())
}

fn pattern(text: &str) -> String {
    text.to_owned()
}

#[test]
fn a_grant_covers_its_node_and_all_below() {
    for uri in ["./AP/WAP-NEW/Addr", "./AP/WAP-NEW/Addr/X", "./ConnMO/QoS/MaxDownlink"] {
        assert_eq!(ask(Verb::Ensure, uri), Ok(()), "{uri}");
    }
    for verb in [Verb::Ensure, Verb::Replace, Verb::Add, Verb::Read] {
        assert_eq!(ask(verb, "./ConnMO/QoS/MaxDownlink"), Ok(()), "{verb:?}");
    }
    assert_eq!(ask(Verb::Exec, "./Diag/Ping/Start"), Ok(()));
    assert_eq!(ask(Verb::Read, "./DevInfo/Mod"), Ok(()));
}

#[test]
fn r9_what_is_not_granted_is_denied() {
    let nothing = |verb: Verb| Err(Denied::NotGranted { verb: verb.name() });
    for (verb, uri) in [
        (Verb::Ensure, "./ConnMO/QoSX"),
        (Verb::Ensure, "./Vendor/A"),
        (Verb::Read, "./Vendor/A"),
        (Verb::Replace, "./DevInfo/Mod"),
        (Verb::Exec, "./AP/X/Addr"),
        (Verb::Exec, "./Diag/Start"),
        (Verb::Replace, "./Diag/Ping/Start"),
        (Verb::Delete, "./DevInfo"),
    ] {
        assert_eq!(ask(verb, uri), nothing(verb), "{uri}");
    }
}

#[test]
fn r9_permission_is_exact_in_case() {
    assert!(ask(Verb::Ensure, "./ap/x").is_err() && ask(Verb::Ensure, "./CONNMO/QoS/A").is_err());
}

#[test]
fn r8_the_users_own_is_not_written_at_below_or_above() {
    for verb in [Verb::Ensure, Verb::Replace, Verb::Add, Verb::Delete, Verb::Exec] {
        for uri in [
            "./AP/x/Personal",
            "./AP/x/Personal/Name",
            "./AP/x/PERSONAL",
            "./Proxy/user",
            "./ConnMO/QoS/ringTone",
        ] {
            assert!(matches!(ask(verb, uri), Err(Denied::UserOwned { .. })), "{verb:?} {uri}");
        }
        for uri in ["./AP", "./AP/x", "./Proxy", "./ConnMO/QoS", "."] {
            assert!(
                matches!(ask(verb, uri), Err(Denied::AboveUserOwned { .. } | Denied::Inbox)),
                "{verb:?} {uri}"
            );
        }
    }
}

#[test]
fn an_unpersonal_node_beside_the_users_own_is_written() {
    assert_eq!(ask(Verb::Ensure, "./AP/x/Addr"), Ok(()));
    assert_eq!(ask(Verb::Delete, "./Proxy/Ours"), Ok(()));
}

#[test]
fn r8_encoding_and_slashes_open_no_way_around() {
    for uri in [
        "./AP/x/%50ersonal",
        "./AP/x/%2550ersonal",
        "./AP/x/%252550ersonal",
        "./AP/x%2FPersonal/Name",
        "./AP/x%5CPersonal",
        "./AP/x%252FPersonal",
        "./Proxy%2FUser",
        "./ConnMO/QoS/%52INGTONE",
        "./ConnMO/QoS/Ringtone?prop=ACL",
        "./Proxy/User?prop=ACL",
        "./Proxy/User?prop=Name",
    ] {
        assert!(ask(Verb::Replace, uri).is_err(), "{uri}");
    }
    assert_eq!(ask(Verb::Ensure, "./AP/x%252F%252E%252E/Addr"), Err(Denied::Ambiguous));
    assert_eq!(
        ask(Verb::Ensure, "./AP/caf%C3%A9/Addr"),
        Ok(()),
        "a name in another alphabet is a name"
    );
}

#[test]
fn letters_that_meet_only_in_upper_case_are_the_same_letter() {
    let scope = Scope::new(&[grant("./A", &[Right::Write])], &["./A/Sink".into()]).unwrap();
    for name in ["sin\u{212a}", "\u{17f}ink", "SINK"] {
        let uri = LocUri::parse("./A").unwrap().child(name).unwrap();
        assert!(scope.allows(Verb::Ensure, &uri).is_err(), "{name}");
    }
}

#[test]
fn properties_are_name_and_acl_with_the_right_admin() {
    assert_eq!(ask(Verb::Replace, "./Proxy/Ours?prop=ACL"), Ok(()));
    assert_eq!(ask(Verb::Read, "./Proxy/Ours?prop=ACL"), Ok(()));
    assert_eq!(
        ask(Verb::Replace, "./Proxy/Ours?prop=Title"),
        Err(Denied::Property("Title".into()))
    );
    assert_eq!(ask(Verb::Delete, "./Proxy/Ours?prop=ACL"), Err(Denied::PropertyVerb));
    assert!(
        matches!(ask(Verb::Replace, "./AP/x/Addr?prop=ACL"), Err(Denied::NotGranted { .. })),
        "no admin there"
    );
}

#[test]
fn a_node_cannot_be_renamed_to_what_is_the_users() {
    assert_eq!(
        ask(Verb::Replace, "./Proxy/Ours?prop=Name"),
        Err(Denied::UserOwned { pattern: pattern("./Proxy/User") })
    );
    assert_eq!(ask(Verb::Replace, "./Proxy/Ours/Port?prop=Name"), Ok(()));
    let narrow = Scope::new(&[grant("./A/B", &[Right::Admin])], &[]).unwrap();
    assert!(
        narrow.allows(Verb::Replace, &LocUri::parse("./A/B?prop=Name").unwrap()).is_err(),
        "it would leave the scope"
    );
}

#[test]
fn inbox_trees_and_lists_are_refused_even_with_every_right() {
    let scope = Scope::everything();
    let ask = |verb, uri: &str| scope.allows(verb, &LocUri::parse(uri).unwrap());
    for verb in Verb::ALL {
        for uri in ["./Inbox", "./inbox/x", "./%49nbox", "./Inbox%2Fx"] {
            assert_eq!(ask(verb, uri), Err(Denied::Inbox), "{verb:?} {uri}");
        }
        assert_eq!(ask(verb, "./A?list=TNDS"), Err(Denied::Tnds));
        assert_eq!(ask(verb, "./A?list=tnds+Value"), Err(Denied::Tnds));
    }
    assert_eq!(ask(Verb::Delete, "."), Err(Denied::Inbox));
    assert_eq!(ask(Verb::Replace, "./A?list=Struct"), Err(Denied::ListWritten));
    assert_eq!(ask(Verb::Read, "./A?list=Struct"), Ok(()));
    assert_eq!(ask(Verb::Delete, "./A"), Ok(()));
}

#[test]
fn a_template_is_refused_at_launch_when_nothing_could_fill_it() {
    let may = |verb, segments: &[Option<&str>]| {
        let segments: Vec<_> =
            segments.iter().map(|segment| segment.map(ToOwned::to_owned)).collect();
        operator().may_allow(verb, &segments, None)
    };
    assert_eq!(may(Verb::Ensure, &[Some("AP"), None, Some("Addr")]), Ok(()));
    assert_eq!(may(Verb::Ensure, &[Some("AP"), None, None]), Ok(()), "found when it is filled in");
    assert!(matches!(
        may(Verb::Ensure, &[Some("AP"), None, Some("personal")]),
        Err(Denied::UserOwned { .. })
    ));
    assert!(matches!(may(Verb::Delete, &[Some("AP"), None]), Err(Denied::AboveUserOwned { .. })));
    assert!(may(Verb::Ensure, &[Some("Vendor"), None]).is_err());
    assert_eq!(may(Verb::Ensure, &[None, Some("QoS"), Some("X")]), Ok(()), "it may be ConnMO");
}

#[test]
fn scopes_of_two_authorities_that_meet_are_found() {
    let scope = |uri: &str, right| Scope::new(&[grant(uri, &[right])], &[]).unwrap();
    let operator = scope("./AP", Right::Write);
    assert_eq!(
        operator.write_overlap(&scope("./AP/*/Addr", Right::Admin)),
        Some((pattern("./AP"), pattern("./AP/*/Addr")))
    );
    assert!(operator.write_overlap(&scope("./ap/x", Right::Write)).is_some(), "case is no border");
    assert_eq!(operator.write_overlap(&scope("./Policy", Right::Write)), None);
    assert_eq!(operator.write_overlap(&scope("./AP", Right::Read)), None);
    assert!(scope("./A/*/B", Right::Write).write_overlap(&scope("./A/C", Right::Write)).is_some());
}

#[test]
fn bad_patterns_are_all_reported() {
    let errors = Scope::new(
        &[grant("/AP", &[]), grant("./AP/WAP*", &[]), grant("./AP", &[])],
        &["./A?prop=Name".into()],
    )
    .unwrap_err();
    assert_eq!(errors.len(), 3);
    assert!(errors[1].to_string().contains("whole segment"), "{}", errors[1]);
}

/// Spellings of a name that some device might take for it.
fn spelling(name: &'static str) -> impl Strategy<Value = String> {
    let letter = |octet: u8, (upper, encoded): (bool, u8)| {
        let octet = if upper { octet.to_ascii_uppercase() } else { octet };
        match encoded {
            0 => char::from(octet).to_string(),
            1 => format!("%{octet:02x}"),
            _ => format!("%25{octet:02X}"),
        }
    };
    proptest::collection::vec((any::<bool>(), 0..3_u8), name.len()).prop_map(move |choices| {
        name.bytes().zip(choices).map(|(octet, choice)| letter(octet, choice)).collect()
    })
}

fn separator() -> impl Strategy<Value = &'static str> {
    prop_oneof![4 => Just("/"), 1 => Just("%2F"), 1 => Just("%2f"), 1 => Just("%5C"), 1 => Just("%252F"), 1 => Just("%255c")]
}

fn verb() -> impl Strategy<Value = Verb> {
    prop_oneof![
        Just(Verb::Ensure),
        Just(Verb::Replace),
        Just(Verb::Add),
        Just(Verb::Delete),
        Just(Verb::Exec)
    ]
}

proptest! {
    #[test]
    fn r8_no_spelling_of_a_user_owned_path_is_written(
        first in spelling("apps"), second in spelling("theme"), between in separator(), below in "(/[a-z]{1,4}|%2F[a-z]{1,4})?",
        suffix in prop_oneof![Just(""), Just("?prop=ACL"), Just("?prop=Name"), Just("?list=Struct")], verb in verb(),
    ) {
        let rights = [Right::Read, Right::Write, Right::Exec, Right::Admin];
        let scope = Scope::new(&[grant(".", &rights)], &["./Apps/Theme".into()]).unwrap();
        if let Ok(uri) = LocUri::parse(&format!("./{first}{between}{second}{below}{suffix}")) {
            prop_assert!(scope.allows(verb, &uri).is_err(), "{:?} {}", verb, uri);
        }
        // The node above takes it along.
        if let Ok(uri) = LocUri::parse(&format!("./{first}")) {
            prop_assert!(scope.allows(verb, &uri).is_err(), "{:?} {}", verb, uri);
        }
    }

    #[test]
    fn r9_what_is_allowed_lies_in_a_grant_segment_by_segment(path in "[./%A-Ca-c25FP]{1,24}", verb in verb()) {
        let scope = Scope::new(&[grant("./A/B", &[Right::Write, Right::Exec])], &[]).unwrap();
        if let Ok(uri) = LocUri::parse(&path)
            && scope.allows(verb, &uri).is_ok()
        {
            let segments: Vec<_> = uri.segments().map(std::borrow::Cow::into_owned).collect();
            prop_assert!(segments.len() >= 2 && segments[0] == "A" && segments[1] == "B", "{}", uri);
        }
    }
}
