use super::*;
use proptest::prelude::*;

fn device() -> Fields {
    Fields {
        device: "IMEI:350000000000017".into(),
        manufacturer: "Reveille".into(),
        model: "RV-100".into(),
        firmware: "1.4.2".into(),
        attributes: [("plan", "gold"), ("speed", "20000"), ("beta", "TRUE"), ("n.a-me", "x")]
            .map(|(k, v)| (k.into(), v.into()))
            .into(),
        groups: vec!["gold".into(), "trial".into()],
        settings: [("./ConnMO/QoS/MaxDownlink", "20000"), ("./AP/x/Addr", "old")]
            .map(|(k, v)| (k.into(), v.into()))
            .into(),
        ..Fields::default()
    }
}

fn truth(text: &str) -> bool {
    let expression = Expression::compile(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    expression.matches(&device()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn r3_r4_a_device_is_found_by_what_is_known_of_it() {
    for text in [
        r#"model == "RV-100" && attributes.plan == "gold" && setting["./ConnMO/QoS/MaxDownlink"] < 50000"#,
        r#"model.startsWith("RV") && !model.startsWith("LEGACY")"#,
        r#""gold" in groups && !("silver" in groups)"#,
        r#"groups.exists(g, g.startsWith("tri"))"#,
        r#"groups.all(g, g != "silver") && size(groups) == 2"#,
        r#"attributes["n.a-me"] == "x""#,
        r"has(attributes.plan) && !has(attributes.region)",
        r#""plan" in {"plan": 1}"#,
        r#"model in ["RV-100", "RV-200"]"#,
        r#"firmware.matches("^1\\.[0-4]\\.")"#,
        r#"setting["AP/x/Addr"] == "old""#,
        "time_zone == ''",
        r#"(model == "RV-100" ? attributes.plan : "none") == "gold""#,
    ] {
        assert!(truth(text), "{text}");
    }
}

#[test]
fn what_a_device_does_not_have_makes_the_whole_false() {
    for text in [
        r#"attributes.region == "north""#,
        r#"attributes.region != "north""#,
        r#"!(attributes.region == "north")"#,
        r#"setting["./No/Such"] < 5"#,
        r#"attributes.region == "north" && model == "RV-100""#,
        r#"model == "RV-100" && attributes.region == "north""#,
        r#"attributes.region == "north" || model == "other""#,
        r#"attributes.region in ["north"]"#,
        r#"attributes.region.startsWith("n")"#,
    ] {
        assert!(!truth(text), "{text}");
    }
    for text in [
        r#"model == "RV-100" || attributes.region == "north""#,
        r#"attributes.region == "north" || model == "RV-100""#,
        r#"!has(attributes.region) || attributes.region == "north""#,
    ] {
        assert!(truth(text), "{text}");
    }
}

#[test]
fn a_field_beside_a_number_is_a_number() {
    for text in [
        "attributes.speed == 20000",
        "attributes.speed >= 20000.0",
        "19999 < attributes.speed",
        "attributes.speed * 2 == 40000",
        "attributes.speed + 1 > 20000",
        "attributes.speed / 2 < -attributes.speed + 50000",
        "attributes.speed in [1, 20000]",
        "attributes.beta == true",
        "int(attributes.speed) == 20000",
        r#"attributes.speed == "20000""#,
    ] {
        assert!(truth(text), "{text}");
    }
    for text in [
        "attributes.plan < 5",
        "attributes.plan == 5",
        "attributes.plan != 5",
        "attributes.plan == true",
        "model * 2 > 1",
    ] {
        assert!(!truth(text), "{text}");
    }
}

#[test]
fn what_cannot_be_used_says_where_and_why() {
    for (text, part) in [
        ("model ==", "line 1, column"),
        ("model == \"RV\" &&\n  ) 5", "line 2, column"),
        ("", "line 1"),
        ("modell == \"x\"", "`modell` is not known; there are `device`, `manufacturer`"),
        ("attributes == 5", "are looked into"),
        ("attributes[model] == \"x\"", "take a text in quotes"),
        ("setting[\"/abs\"] == \"x\"", "is no address"),
        ("model.lower() == \"x\"", "`lower` is no function here"),
        ("model", "is string, not true or false"),
        ("5", "is int, not true or false"),
        ("model < groups", "cannot be evaluated"),
        ("model.startsWith(5)", "cannot be evaluated: `startsWith` does not take"),
        ("\"a\" < 5", "cannot be evaluated"),
        ("1 / 0 == 1", "a division by zero"),
        ("model.matches(firmware)", "pattern in quotes"),
        ("model.matches(\"(\")", "is no regular expression"),
        ("model.matches(\"(\\\\w{900}){900}\")", "too large"),
        ("groups.exists(g, groups.exists(h, g == h))", "a loop within a loop"),
        ("[1,2].map(x, x).exists(y, y == 1)", "go over `groups`"),
        ("attributes.exists(a, true)", "go over `groups`"),
        ("cel.expr.Value{} == null", "objects cannot be made"),
    ] {
        let error = Expression::compile(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text:?}: {error}");
    }
}

#[test]
fn size_and_depth_are_bounded() {
    let long = format!("model == \"{}\"", "x".repeat(5_000));
    assert_eq!(Expression::compile(&long).unwrap_err(), ExpressionError::TooLong);
    let wide = vec!["true"; 600].join("||");
    let lists = format!("{}{} == model", "[".repeat(400), "]".repeat(400));
    for text in [wide, lists] {
        assert!(Expression::compile(&text).is_err(), "{}", &text[..20]);
    }
    let parentheses = format!("{}model == \"RV-100\"{}", "(".repeat(2_000), ")".repeat(2_000));
    assert!(
        Expression::compile(&parentheses)
            .is_ok_and(|expression| expression.matches(&device()) == Ok(true)),
        "they cost nothing"
    );
    let list = (0..100).map(|n| format!("model == \"RV-{n}\"")).collect::<Vec<_>>().join(" || ");
    assert!(truth(&format!("{list} || true")), "a list of a hundred models is ordinary");
}

#[test]
fn what_an_expression_names_is_known() {
    let expression = Expression::compile(
        r#"attributes.plan == "x" && setting["A/B"] < 5 && attributes["plan"] != attributes.other"#,
    )
    .unwrap();
    assert_eq!(expression.attributes(), ["plan", "other"]);
    assert_eq!(expression.settings(), [LocUri::parse("./A/B").unwrap()]);
}

#[test]
fn errors_hold_nothing_of_the_device() {
    let expression = Expression::compile("int(attributes.plan) == 1").unwrap();
    let error = expression.matches(&device()).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("gold"), "{error:?}");
}

proptest! {
    #[test]
    fn no_text_breaks_the_compiler(text in "[a-z.\\[\\]()\"'!=<>&|?:+*/%0-9 {},\\n-]{0,60}") {
        if let Ok(expression) = Expression::compile(&text) {
            drop(expression.matches(&device()));
            drop(expression.matches(&Fields::default()));
        }
    }

    #[test]
    fn no_mix_of_our_words_breaks_the_compiler(words in proptest::collection::vec(prop_oneof![
        Just("model"), Just("attributes.plan"), Just("setting[\"./A\"]"), Just("groups"), Just("=="), Just("<"), Just("&&"), Just("||"), Just("!"),
        Just("("), Just(")"), Just("5"), Just("true"), Just("\"x\""), Just("in"), Just(".exists(g, g =="), Just(".matches(\"x\")"), Just("+"), Just("-"),
        Just("?"), Just(":"), Just("["), Just("]"), Just("has("), Just("size("), Just(".map(g,")
    ], 0..14)) {
        if let Ok(expression) = Expression::compile(&words.join(" ")) {
            drop(expression.matches(&device()));
            drop(expression.matches(&Fields::default()));
        }
    }
}
