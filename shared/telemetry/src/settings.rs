//! What OpenTelemetry's environment variables say about whether anything is exported. What they say beyond that, its
//! own libraries read.

use std::net::IpAddr;

use reqwest::Url;

/// Whether spans are wanted.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Wanted {
    Nothing,
    Export,
    /// They are, in a way that is not to be had.
    Unusable(String),
}

const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
const PROTOCOLS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
const PROTOCOL: &str = "http/protobuf";

/// An empty variable is as good as none.
fn set(env: &impl Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    env(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

fn is_true(env: &impl Fn(&str) -> Option<String>, name: &str) -> bool {
    set(env, name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

pub(crate) fn wanted(env: impl Fn(&str) -> Option<String>) -> Wanted {
    if is_true(&env, "OTEL_SDK_DISABLED") || !ENDPOINTS.iter().any(|name| set(&env, name).is_some()) {
        return Wanted::Nothing;
    }
    match set(&env, "OTEL_TRACES_EXPORTER").as_deref() {
        None | Some("otlp") => {}
        Some("none") => return Wanted::Nothing,
        Some(other) => {
            return Wanted::Unusable(format!("OTEL_TRACES_EXPORTER is {other:?}; set it to otlp or to none"));
        }
    }
    let protocol = PROTOCOLS.iter().find_map(|name| Some((name, set(&env, name)?)));
    match protocol {
        Some((name, protocol)) if protocol != PROTOCOL => Wanted::Unusable(format!(
            "{name} is {protocol:?}; {PROTOCOL} is what there is, and collectors take it on port 4318"
        )),
        Some(_) | None => Wanted::Export,
    }
}

fn endpoint(env: &impl Fn(&str) -> Option<String>) -> String {
    ENDPOINTS.iter().find_map(|name| set(env, name)).unwrap_or_default()
}

/// Whether spans go out encrypted.
pub(crate) fn is_tls(env: &impl Fn(&str) -> Option<String>) -> bool {
    !endpoint(env).to_ascii_lowercase().starts_with("http:")
}

/// Whether spans stay on this machine, by the same names as in `nexus_client::endpoint`, which is above this crate.
pub(crate) fn is_here(env: &impl Fn(&str) -> Option<String>) -> bool {
    let url = Url::parse(&endpoint(env)).ok();
    let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.strip_suffix(".localhost").is_some_and(|label| !label.is_empty())
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether the environment says what the service is called.
pub(crate) fn names_service(env: &impl Fn(&str) -> Option<String>) -> bool {
    let listed = set(env, "OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    set(env, "OTEL_SERVICE_NAME").is_some()
        || listed.split(',').any(|pair| pair.trim().starts_with("service.name="))
}

pub(crate) fn captures_content(env: &impl Fn(&str) -> Option<String>) -> bool {
    is_true(env, "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT")
}

/// How many spans may wait.
pub(crate) fn queue_size(env: &impl Fn(&str) -> Option<String>, default: usize) -> usize {
    set(env, "OTEL_BSP_MAX_QUEUE_SIZE")
        .and_then(|size| size.parse().ok())
        .filter(|size| *size > 0)
        .unwrap_or(default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_exported_unless_an_endpoint_is_named_and_nobody_says_no() {
        let of = |vars: &[(&str, &str)]| {
            wanted(|name| vars.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
        };
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
        let nothing: [&[(&str, &str)]; 5] = [
            &[],
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")],
            &[("OTEL_SERVICE_NAME", "nexus"), ("OTEL_TRACES_SAMPLER", "always_on")],
            &[endpoint, ("OTEL_SDK_DISABLED", "True")],
            &[endpoint, ("OTEL_TRACES_EXPORTER", "none")],
        ];
        for vars in nothing {
            assert_eq!(of(vars), Wanted::Nothing, "{vars:?}");
        }
        let export: [&[(&str, &str)]; 4] = [
            &[endpoint],
            &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:4318/v1/traces")],
            &[endpoint, ("OTEL_SDK_DISABLED", "false"), ("OTEL_TRACES_EXPORTER", "otlp")],
            &[
                endpoint,
                ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
                ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
            ],
        ];
        for vars in export {
            assert_eq!(of(vars), Wanted::Export, "{vars:?}");
        }
        for bad in [("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), ("OTEL_TRACES_EXPORTER", "zipkin")] {
            let Wanted::Unusable(why) = of(&[endpoint, bad]) else { panic!("{bad:?} cannot be had") };
            assert!(why.contains(bad.0) && why.contains(bad.1), "{why}");
        }
    }

    #[test]
    fn a_collector_on_this_machine_is_known_by_its_address() {
        let cases = [
            ("http://127.0.0.1:4318", true),
            ("http://[::1]:4318", true),
            ("http://localhost:4318/v1/traces", true),
            ("HTTPS://Collector.Localhost", true),
            ("http://10.0.0.5:4318", false),
            ("http://127.0.0.1.evil:4318", false),
            ("https://localhost.evil", false),
            ("localhost", false),
        ];
        for (url, is_here) in cases {
            for name in ENDPOINTS {
                let env = |asked: &str| (asked == name).then(|| url.to_owned());
                assert_eq!(super::is_here(&env), is_here, "{url}");
            }
        }
        // Where it is said what spans alone are for, that is where they go.
        let env = |name: &str| {
            let host = if name == ENDPOINTS[0] { "collector.lan" } else { "127.0.0.1" };
            Some(format!("http://{host}:4318"))
        };
        assert!(!super::is_here(&env));
    }

    #[test]
    fn a_service_that_has_a_name_keeps_it() {
        let of = |name: &'static str, value: &'static str| {
            names_service(&move |asked: &str| (asked == name).then(|| value.to_owned()))
        };
        assert!(of("OTEL_SERVICE_NAME", "mine"));
        assert!(of("OTEL_RESOURCE_ATTRIBUTES", "a=b, service.name=mine"));
        assert!(!of("OTEL_RESOURCE_ATTRIBUTES", "service.namespace=mine"));
    }
}
