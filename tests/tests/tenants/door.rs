//! Which Nexus a request comes to.

use nexus_tests::World;
use serde_json::json;

use super::house::{Answer, Nexus, bearer, said};

fn id_at(address: &str, host: &str) -> Result<String, u16> {
    let answer = Answer::to(address, host, "", "GET", "/api/v1/nexus", "");
    match answer.status {
        200 => Ok(answer.json()["nexus_id"].as_str().expect("an id").to_owned()),
        status => Err(status),
    }
}

#[test]
fn each_request_goes_where_its_host_says() {
    let world = World::new();
    let own = Nexus::own(&world);
    let [acme, beta] = ["acme", "beta"].map(|name| Nexus::add(&world, name).0);
    let port = own.address.rsplit_once(':').expect("a port").1;
    let hosts = [
        (own.address.clone(), Ok(own.id())),
        (format!("localhost:{port}"), Ok(own.id())),
        (format!("{}.nexus", own.id()), Ok(own.id())),
        (acme.host.clone(), Ok(acme.id())),
        ("ACME.LocalHost.".to_owned(), Ok(acme.id())),
        (format!("{}.nexus:1", acme.id()), Ok(acme.id())),
        (beta.host.clone(), Ok(beta.id())),
        (format!("nobody.localhost:{port}"), Err(403)),
        (format!("x.acme.localhost:{port}"), Err(403)),
        (format!("acme.127.0.0.1:{port}"), Err(403)),
        ("acme".to_owned(), Err(403)),
        ("acme.evil.example".to_owned(), Err(403)),
    ];
    for (host, expected) in &hosts {
        assert_eq!(id_at(&own.address, host), *expected, "{host}");
    }
    let refused =
        |host: &str| Answer::to(&own.address, host, &bearer(&own.token()), "GET", "/api/v1/aspects", "");
    assert_eq!(refused("nobody.localhost"), refused("evil.example"), "there is no way to ask who is here");

    // One connection may speak to several.
    let line = |host: &str, more: &str| format!("GET /api/v1/nexus HTTP/1.1\r\nhost: {host}\r\n{more}\r\n");
    let all = [&acme, &beta, &own, &acme];
    let requests: String = all.iter().map(|it| line(&it.host, "")).collect();
    let answers = said(&own.address, &format!("{requests}{}", line(&beta.host, "connection: close\r\n")));
    let ids: Vec<&str> =
        answers.split("\"nexus_id\":\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(ids, [acme.id(), beta.id(), own.id(), acme.id(), beta.id()]);

    // The target counts where it names a host, and two names are none.
    let target = format!("http://{}/api/v1/nexus", acme.host);
    let absolute = Answer::to(&own.address, &beta.host, "", "GET", &target, "");
    assert_eq!(absolute.json()["nexus_id"], json!(acme.id()));
    let twice =
        Answer::to(&own.address, &beta.host, &format!("host: {}\r\n", acme.host), "GET", "/api/v1/nexus", "");
    assert_eq!(twice.status, 400, "{twice:?}");

    // Pages of one may not use another.
    for (page, at, status) in
        [(&acme, &acme, 200), (&acme, &beta, 403), (&acme, &own, 403), (&own, &acme, 403)]
    {
        let origin = format!("origin: {}\r\n{}", page.url(), bearer(&at.token()));
        let answer = at.ask(&origin, "GET", "/api/v1/aspects", "");
        assert_eq!(answer.status, status, "{} at {}: {answer:?}", page.host, at.host);
    }
}

#[test]
fn a_session_in_a_browser_is_one_nexuss_alone() {
    let world = World::new();
    let own = Nexus::own(&world);
    let [acme, beta] = ["acme", "beta"].map(|name| Nexus::add(&world, name).0);
    let password = json!({"password": "correct horse battery"});
    acme.admin("PUT", "/api/v1/operators/admin/password", &password);
    let log_in = json!({"name": "admin", "password": "correct horse battery"}).to_string();
    assert_eq!(beta.ask("", "POST", "/api/v1/login", &log_in).status, 401, "a password is one Nexus's");
    let answer = acme.ask("", "POST", "/api/v1/login", &log_in);
    let cookie = answer.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("a cookie");
    assert!(!cookie.to_lowercase().contains("domain"), "for that host alone: {cookie}");
    let cookie = format!("cookie: {}\r\n", cookie.split(';').next().expect("a pair"));
    let status = |at: &Nexus| at.ask(&cookie, "GET", "/api/v1/session", "").status;
    assert_eq!([status(&acme), status(&beta), status(&own)], [200, 401, 401]);
}

/// With the CA of `trusts`, under whatever name the URL has; the Host header may say another.
async fn over_tls(trusts: &Nexus, name: &str, host: Option<&str>) -> Result<(u16, String), ()> {
    // Somebody else may have chosen already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let ca = std::fs::read(trusts.data.join("ca.pem")).expect("made with it");
    let address = trusts.address.parse().expect("an address");
    let client = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(&ca).expect("PEM")])
        .resolve(name, address)
        .build()
        .expect("a client");
    let mut request = client.get(format!("https://{name}:{}/api/v1/nexus", address.port()));
    if let Some(host) = host {
        request = request.header("host", host);
    }
    let answer = request.send().await.map_err(drop)?;
    let status = answer.status().as_u16();
    Ok((status, answer.text().await.expect("text")))
}

#[tokio::test]
async fn over_tls_each_shows_its_own_certificate_and_answers_under_that_name_alone() {
    let mut world = World::asleep().flag("--tls");
    world.start_broker();
    let own = Nexus::own(&world);
    let [acme, beta] = ["acme", "beta"].map(|name| Nexus::add(&world, name).0);
    let ids = [(&own, "localhost"), (&acme, "acme.localhost"), (&beta, "beta.localhost")];
    for (nexus, name) in ids {
        let (status, body) = over_tls(nexus, name, None).await.expect("its CA is trusted");
        assert!(status == 200 && body.contains(&nexus.id()), "{name}: {status} {body}");
    }
    let fixed = format!("{}.nexus", acme.id());
    assert_eq!(over_tls(&acme, &fixed, None).await.map(|it| it.0), Ok(200));
    assert_eq!(over_tls(&own, "acme.localhost", None).await, Err(()), "another's CA");
    assert_eq!(over_tls(&acme, "localhost", None).await, Err(()), "another's name");
    let misdirected = [
        (&acme, "acme.localhost", beta.host.as_str()),
        (&acme, "acme.localhost", own.host.as_str()),
        (&acme, "acme.localhost", "nobody.localhost"),
        (&own, "localhost", acme.host.as_str()),
    ];
    for (nexus, name, host) in misdirected {
        let status = over_tls(nexus, name, Some(host)).await.map(|it| it.0);
        assert_eq!(status, Ok(421), "{host} over a connection with {name}");
    }
    assert_eq!(over_tls(&acme, "acme.localhost", Some(&fixed)).await.map(|it| it.0), Ok(200), "the same one");
    // Programs go by the certificate, whatever they dial.
    let out = world
        .command("nexctl")
        .args(["get", "aspects", "-o", "json"])
        .env("NEXUS_URL", format!("https://{}", own.address))
        .env("NEXUS_TOKEN", acme.token())
        .env("NEXUS_CA", acme.data.join("ca.pem"))
        .output()
        .expect("nexctl runs");
    assert!(out.status.success(), "{}", nexus_tests::world::text(&out));
}
