//! The fields of an EndpointSlice that contain the addresses of a Service's pods.

use core::net::{IpAddr, SocketAddr};

use serde::Deserialize;

/// An EndpointSlice (`discovery.k8s.io/v1`).
#[derive(Debug, Deserialize)]
pub(crate) struct EndpointSlice {
    /// `null` if there are none.
    endpoints: Option<Vec<Endpoint>>,
    /// `null` if there are none.
    ports: Option<Vec<EndpointPort>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Endpoint {
    /// All addresses belong to one pod.
    addresses: Vec<String>,
    conditions: Conditions,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Conditions {
    ready: Option<bool>,
    /// Whether the pod is ready or, if it is terminating, would be.
    serving: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct EndpointPort {
    port: Option<u16>,
}

impl EndpointSlice {
    /// The addresses of serving pods. The Service has one port.
    pub(crate) fn serving(&self) -> impl Iterator<Item = SocketAddr> {
        let port = self.ports.iter().flatten().find_map(|port| port.port);
        let serving = self.endpoints.iter().flatten().filter(|endpoint| {
            let Conditions { ready, serving } = endpoint.conditions;
            serving.or(ready).unwrap_or(true)
        });
        // Slices of type FQDN contain names instead of addresses.
        let addresses = serving.filter_map(|endpoint| endpoint.addresses.first()?.parse::<IpAddr>().ok());
        addresses.filter_map(move |address| Some(SocketAddr::new(address, port?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_serving_pods() {
        let slice = |text: &str| {
            let slice: EndpointSlice = serde_json::from_str(text).unwrap();
            slice.serving().map(|address| address.to_string()).collect::<Vec<_>>()
        };
        let text = r#"{"addressType":"IPv4","ports":[{"name":"https","port":10250,"protocol":"TCP"}],"endpoints":[
            {"addresses":["10.0.0.1"],"conditions":{"ready":true,"serving":true,"terminating":false}},
            {"addresses":["10.0.0.2"],"conditions":{"ready":false,"serving":true,"terminating":true}},
            {"addresses":["10.0.0.3"],"conditions":{"ready":false,"serving":false}},
            {"addresses":["fd00::4"],"conditions":{}},{"addresses":["fd00::5"]},
            {"addresses":["example.com"],"conditions":{"ready":true}},{"conditions":{"ready":true}}]}"#;
        let expected = ["10.0.0.1:10250", "10.0.0.2:10250", "[fd00::4]:10250", "[fd00::5]:10250"];
        assert_eq!(slice(text), expected);
        for none in [
            r#"{"endpoints":null,"ports":null}"#,
            r#"{"endpoints":[{"addresses":["10.0.0.1"]}],"ports":[{"port":null}]}"#,
            "{}",
        ] {
            assert_eq!(slice(none), [""; 0], "{none}");
        }
    }
}
