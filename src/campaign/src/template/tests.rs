use super::*;
use proptest::prelude::*;

fn device() -> Fields {
    Fields {
        model: "RV-100".into(),
        attributes: [
            ("speed", "50000"),
            ("apn", "corp"),
            ("evil", "x/../Personal"),
            ("secret", "s3cret"),
            ("long", "0123456789abcdef"),
        ]
        .map(|(k, v)| (k.into(), v.into()))
        .into(),
        groups: vec!["gold".into()],
        settings: [("./A/B".into(), "7".into())].into(),
        ..Fields::default()
    }
}

fn fill(text: &str) -> Result<String, RenderError> {
    let mut sources = Sources::new();
    let text = sources.add(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let reads = [("./AP/x/Addr".to_owned(), "10.0.0.1".to_owned())].into();
    text.render(&sources.finish(), &device(), &reads).map(Cow::into_owned)
}

fn refused(text: &str) -> String {
    match Sources::new().add(text) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("{text} was taken"),
    }
}

fn address(text: &str) -> Result<LocUri, RenderError> {
    let mut sources = Sources::new();
    let address =
        Address::compile(text, &mut sources).unwrap_or_else(|error| panic!("{text}: {error}"));
    address.render(&sources.finish(), &device(), &BTreeMap::new())
}

#[test]
fn r15_a_value_is_filled_in_for_each_device() {
    for (text, value) in [
        ("{{ attributes.speed }}", "50000"),
        ("{{ attributes[\"speed\"] | int * 2 }}", "100000"),
        ("{{ attributes.none | default(20000) }}", "20000"),
        ("{{ manufacturer | default('unknown') }}", "unknown"),
        ("{{ read[\"AP/x/Addr\"] }}:8080", "10.0.0.1:8080"),
        ("{{ setting['./A/B'] }}", "7"),
        ("{{ 'fast' if model == 'RV-100' else 'slow' }}", "fast"),
        ("{{ groups | join(',') }}", "gold"),
        ("{{ 'a' if 'gold' in groups else 'b' }}", "a"),
        ("<x a=\"{{ model }}\">&amp;</x>\n", "<x a=\"RV-100\">&amp;</x>\n"),
        ("{{ attributes.apn | upper | replace('C', 'K') }}", "KORP"),
        ("no template {% at all %} {# here #} }}", "no template {% at all %} {# here #} }}"),
    ] {
        assert_eq!(fill(text).as_deref(), Ok(value), "{text}");
    }
}

#[test]
fn what_the_device_lacks_is_named() {
    for (text, what) in [
        ("{{ attributes.none }}", "`attributes.none`"),
        ("{{ firmware }}", "`firmware`"),
        ("{{ setting['./No'] }}", "value read earlier of ./No"),
        ("{{ read['./No'] }}", "value at ./No"),
        ("{{ attributes.none ~ 'x' }}", "`attributes.none`"),
    ] {
        assert_eq!(fill(text), Err(RenderError::Lacks { what: what.into() }), "{text}");
    }
}

#[test]
fn what_is_no_template_is_refused_before_there_is_a_device() {
    for (text, part) in [
        ("{{ attributes.speed", "does not end"),
        ("{{ 'x }}", "does not end"),
        ("{{ }}", "cannot be read"),
        ("{{ 1 + }}", "cannot be read"),
        ("{{ x }}", "`x` is not known; there are `device`"),
        ("{{ range(9) | join }}", "`range` is not known"),
        ("{{ attributes }}", "`attributes` is looked into by a name"),
        ("{{ attributes[model] }}", "`attributes` is looked into by a name"),
        ("{{ read['/x'] }}", "is no address"),
        ("{% if model %}{{ model }}{% endif %}", "statements"),
        ("{{ model }}{% for x in groups %}y{% endfor %}", "statements"),
        ("{{ model }}{# c #}", "statements"),
        ("{{ {'a': 1} }}", "map literals"),
        ("{{ model | shout }}", "shout"),
        ("{{ attributes.speed - 1 }}", "invalid operation"),
    ] {
        let error = refused(text);
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn work_and_memory_are_bounded() {
    for text in [
        "{{ attributes.long * 100000 }}",
        "{{ (attributes.long * 1000) ~ (attributes.long * 5000) }}",
        "{{ attributes.long | replace('0', attributes.long * 5000) }}",
    ] {
        let error = fill(text).unwrap_err();
        assert!(
            matches!(error, RenderError::TooLarge | RenderError::Template { .. }),
            "{text}: {error}"
        );
    }
}

#[test]
fn errors_hold_nothing_of_the_device() {
    for text in [
        "{{ attributes.secret | int }}",
        "{{ attributes.secret.x.y }}",
        "{{ 1 // (attributes.secret | length - 6) }}",
    ] {
        let error = fill(text).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    }
}

#[test]
fn a_template_fills_in_a_segment_and_never_adds_one() {
    assert_eq!(
        address("./AP/{{ attributes.apn }}-{{ model }}/Addr").unwrap().as_str(),
        "./AP/corp-RV-100/Addr"
    );
    assert_eq!(
        address("./{{ attributes['apn'] | default('a/b?c') }}?prop=ACL").unwrap().as_str(),
        "./corp?prop=ACL"
    );
    for text in [
        "./AP/{{ attributes.evil }}/Addr",
        "./AP/{{ '..' }}/x",
        "./AP/{{ '' }}/x",
        "./AP/{{ 'a%2fb' }}",
        "./AP/{{ 'a?prop=ACL' }}",
        "./AP/{{ 'a\\\\b' }}",
    ] {
        let error = address(text).unwrap_err();
        assert!(matches!(error, RenderError::Address { .. }), "{text}: {error}");
        assert!(!error.to_string().contains("Personal"));
    }
}

#[test]
fn an_address_is_checked_around_its_templates() {
    let compile = |text: &str| Address::compile(text, &mut Sources::new());
    for text in [
        "/AP/{{ model }}",
        "./AP//{{ model }}",
        "./../{{ model }}",
        "./{{ model }}?x=1",
        "./A?prop={{ model }}",
        "./{{ model }}?prop=Name?prop=ACL",
        "./{{ model",
    ] {
        assert!(compile(text).is_err(), "{text}");
    }
    let open = compile("./AP/{{ attributes['a/b?c'] }}/x%20y?prop=Name").unwrap();
    assert_eq!(open.outline(), [Some("AP".to_owned()), None, Some("x y".to_owned())]);
    assert_eq!(open.suffix(), Some(wire::uri::Suffix::Prop("Name")));
}

proptest! {
    #[test]
    fn whatever_an_attribute_holds_the_address_keeps_its_shape(value in ".{0,20}") {
        let mut sources = Sources::new();
        let address = Address::compile("./AP/{{ attributes.x }}/Addr", &mut sources).unwrap();
        let fields = Fields { attributes: [("x".to_owned(), value.clone())].into(), ..Fields::default() };
        if let Ok(uri) = address.render(&sources.finish(), &fields, &BTreeMap::new()) {
            let segments: Vec<_> = uri.segments().map(Cow::into_owned).collect();
            prop_assert_eq!(segments, ["AP", &value, "Addr"]);
            prop_assert_eq!(uri.suffix(), None);
        }
    }

    #[test]
    fn no_text_breaks_the_engine(text in "\\{\\{[a-z.\\[\\]()'|!=<>~+*%0-9 {}-]{0,40}\\}\\}.{0,5}") {
        let mut sources = Sources::new();
        if let Ok(text) = sources.add(&text) {
            drop(text.render(&sources.finish(), &device(), &BTreeMap::new()));
        }
    }
}
