use std::path::Path;

use super::*;

fn config(lines: &str) -> Config {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("waagent.conf");
    std::fs::write(&file, lines).unwrap();
    Config::load(Path::new("/nonexistent"), Some(&file)).unwrap()
}

fn environment(http: &str, https: &str, none: &str) -> Environment {
    let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Environment { http: said(http), https: said(https), none: said(none) }
}

/// `host:port`, `direct`, or the reason for a refusal.
fn way(proxies: &Proxies, uri: &str) -> String {
    match proxies.to(&StorageUri::parse(uri, true).unwrap()) {
        Ok(Some(proxy)) => format!("{}:{}", proxy.host(), proxy.port()),
        Ok(None) => "direct".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_configuration_wins_over_the_environment() {
    let environment = environment("http://env:1", "http://env:2", "");
    for (lines, expected) in [
        ("HttpProxy.Host=conf\nHttpProxy.Port=3128\n", "conf:3128"),
        ("HttpProxy.Host=conf\n", "conf:80"),
        ("HttpProxy.Host=http://conf:8080/\n", "conf:8080"),
        ("HttpProxy.Host=conf:8080\nHttpProxy.Port=3128\n", "conf:3128"),
        ("HttpProxy.Host=None\nHttpProxy.Port=None\n", "env:2"),
    ] {
        assert_eq!(way(&Proxies::new(&config(lines), &environment), "https://s/x"), expected, "{lines}");
    }
}

#[test]
fn the_environment_goes_by_scheme_and_needs_a_port() {
    let proxies = Proxies::new(&config("#\n"), &environment("http://a:1/", "b:2", ""));
    assert_eq!((way(&proxies, "http://s/x").as_str(), way(&proxies, "https://s/x").as_str()), ("a:1", "b:2"));
    let portless = Proxies::new(&config("#\n"), &environment("http://a", "", ""));
    assert_eq!(
        (way(&portless, "http://s/x").as_str(), way(&portless, "https://s/x").as_str()),
        ("direct", "direct")
    );
}

#[test]
fn credentials_are_refused_and_never_shown_and_nothing_goes_round_them() {
    for proxies in [
        Proxies::new(&config("HttpProxy.Host=joe:CANARY@conf\n"), &Environment::default()),
        Proxies::new(&config("#\n"), &environment("", "http://joe:CANARY@env:1", "")),
    ] {
        let why = way(&proxies, "https://s/x");
        assert!(why.contains("credentials") && !why.contains("CANARY"), "{why}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_by_name() {
    for (https, why) in [
        ("socks5://a:1", "https_proxy: not http://host:port"),
        ("http://a:port", "https_proxy: not a port"),
        ("http://a:0", "https_proxy: port out of range"),
        ("http://a b:1", "https_proxy: not a host name"),
        ("http://:1", "https_proxy: not a host name"),
    ] {
        let proxies = Proxies::new(&config("#\n"), &environment("", https, ""));
        assert!(way(&proxies, "https://s/x").starts_with(why), "{https}: {}", way(&proxies, "https://s/x"));
    }
}

#[test]
fn no_proxy_holds_by_label_address_and_network_for_both_sources() {
    let none = " e.com, .dot.org ,10.0.0.0/8,192.168.1.1, *.star.net,,Upper.IO";
    for proxies in [
        Proxies::new(&config("HttpProxy.Host=p\nHttpProxy.Port=1\n"), &environment("", "", none)),
        Proxies::new(&config("#\n"), &environment("", "http://p:1", none)),
    ] {
        for (host, expected) in [
            ("e.com", "direct"),
            ("a.E.com", "direct"),
            ("fake.com", "p:1"),
            ("a.dot.org", "direct"),
            ("10.200.3.4:8443", "direct"),
            ("11.0.0.1", "p:1"),
            ("192.168.1.1", "direct"),
            ("192.168.1.10", "p:1"),
            ("a.star.net", "direct"),
            ("upper.io", "direct"),
        ] {
            assert_eq!(way(&proxies, &format!("https://{host}/x")), expected, "{host}");
        }
    }
    let all = Proxies::new(&config("#\n"), &environment("", "http://p:1", "*"));
    assert_eq!(way(&all, "https://s/x"), "direct");
}
