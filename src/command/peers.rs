//! Shares samples over time among replicas: takes over the samples of the others, and samples the selections that are
//! requested from them.

use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use log::{debug, info, warn};

use crate::api::Api;
use crate::config::cli;
use crate::config::limits::Limits;
use crate::http::address::AllowedAddresses;
use crate::http::client::{Client as HttpClient, Options, Request, RequestBody, Response};
use crate::http::credentials::{Credentials, SecretSource};
use crate::http::error::{FetchError, Phase};
use crate::http::resolve::Resolver;
use crate::kube_api::client::Client;
use crate::kube_api::endpoints;
use crate::kube_api::target::Target;
use crate::parse::certificate_name::CertificateName;

/// Polls the other replicas.
pub(super) struct Peers {
    api: Arc<Api>,
    client: Client,
    http: HttpClient,
    service: cli::Peers,
    limits: Limits,
    /// The address of this process among the replicas.
    own: Option<SocketAddr>,
    failing: bool,
}

impl Peers {
    /// Makes no connection yet. The replicas authenticate to each other as to the Kubernetes API, by the token of the service
    /// account or a client certificate, and verify the serving certificate, which is for the Service.
    pub(super) fn new(service: &cli::Peers, target: Target, api: &Arc<Api>, limits: &Limits) -> Self {
        let Credentials { bearer, certificate, .. } = target.credentials.clone();
        let credentials = Credentials {
            bearer,
            certificate,
            authorities: Some(SecretSource::File(service.ca_file.clone())),
            server_name: CertificateName::host(&format!("{}.{}.svc", service.service, service.namespace)),
            ..Credentials::default()
        };
        let options =
            Options { reach: AllowedAddresses::Anywhere, tls: true, keep_alive: true, gzip: false, proxy: None };
        let http = HttpClient::new(options, credentials, limits, Arc::new(Resolver::new(limits)), Arc::default());
        let client = Client::new(target, limits, api.shared_counters());
        let (api, service, limits) = (api.clone(), service.clone(), limits.clone());
        Self { api, client, http, service, limits, own: None, failing: false }
    }

    /// Makes the first round, and then one in each interval until the process ends.
    pub(super) fn start(mut self) -> std::io::Result<()> {
        self.api.share();
        self.round(Instant::now() + self.limits.peers.start);
        thread::Builder::new().name("peers".to_owned()).spawn(move || {
            loop {
                thread::sleep(self.limits.peers.pause);
                self.api.metrics().wait_for_selection(self.limits.peers.interval);
                self.round(Instant::now() + self.limits.peers.interval);
            }
        })?;
        Ok(())
    }

    /// Polls each replica once.
    fn round(&mut self, until: Instant) {
        if !self.api.metrics().sharing().looks_back() {
            return;
        }
        let cli::Peers { namespace, service, .. } = &self.service;
        let deadline = until.min(Instant::now() + self.limits.peers.timeout);
        let found = match endpoints::serving(&self.client, namespace, service, &self.limits, deadline) {
            Ok(found) => found,
            Err(failure) => {
                return self.log_outcome(Err(format!("cannot list the EndpointSlices: {}", failure.detail())));
            }
        };
        let own = self.own;
        let mut outcome = Ok(());
        for peer in found.into_iter().filter(|peer| Some(*peer) != own).take(self.limits.peers.count) {
            outcome = outcome.and(self.fetch(peer, until).map_err(|why| format!("{peer}: {why}")));
        }
        self.log_outcome(outcome);
    }

    /// Requests a replica's selections, and the samples that are missing here.
    fn fetch(&mut self, peer: SocketAddr, until: Instant) -> Result<(), String> {
        let get = |query: &str| self.get(peer, query, until).map_err(|error| error.to_string());
        let (bytes, at) = get("")?;
        let sharing = self.api.metrics().sharing();
        let Some(message) = sharing.parse(&bytes)? else {
            self.own = Some(peer);
            return Ok(());
        };
        for rule in sharing.follow(&message, at) {
            let (bytes, at) = get(&format!("?rule={rule:016x}"))?;
            if let Some(message) = sharing.parse(&bytes)? {
                sharing.take_over(&message, at);
            }
        }
        Ok(())
    }

    /// A message, and the time at which it was made.
    fn get(&self, peer: SocketAddr, query: &str, until: Instant) -> Result<(Vec<u8>, Instant), FetchError> {
        let url = &format!("https://{peer}/peers/samples{query}");
        let timeout = until.saturating_duration_since(Instant::now()).min(self.limits.peers.timeout);
        let request = Request { url, accept: "application/octet-stream", body: RequestBody::None, timeout };
        let most = self.limits.peers.bytes as u64;
        self.http.exchange(&request, |response: &mut Response| {
            // The ages in the message are relative to this time.
            let at = Instant::now();
            if response.status() != 200 {
                return Err(FetchError::Status(response.status()));
            }
            let mut bytes = Vec::new();
            let mut body = response.body()?.take(most + 1);
            match body.read_to_end(&mut bytes) {
                Ok(_) if body.limit() == 0 => Err(FetchError::BodyTooLarge(most)),
                Ok(_) => Ok((bytes, at)),
                Err(_) => Err(FetchError::Closed(Phase::Body)),
            }
        })
    }

    /// Logs changes of the outcome.
    fn log_outcome(&mut self, outcome: Result<(), String>) {
        match outcome {
            Ok(()) if std::mem::take(&mut self.failing) => info!("shares samples with all other replicas again"),
            Ok(()) => {}
            Err(why) if std::mem::replace(&mut self.failing, true) => debug!("cannot share samples: {why}"),
            Err(why) => warn!("cannot share samples with another replica: {why}"),
        }
    }
}
