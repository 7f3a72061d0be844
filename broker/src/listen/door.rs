//! Which Nexus a request is for: the broker's own, or the tenant whose name stands before one of the broker's names.
//! Each request is looked at by itself, and over TLS it has to be for whom the handshake was with.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, Response, StatusCode, header};
use axum::response::IntoResponse as _;
use hyper::body::Incoming;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use nexus_wire::ErrorCode;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tracing::{Instrument as _, Span};
use uuid::Uuid;

use super::hosts::bare;
use super::problem::Problem;
use super::rest::{self, Remote};
use crate::edge::Edge;
use crate::identity::tls::Leaf;
use crate::tenants::TenantName;

/// One Nexus, as it is behind the door.
#[derive(Debug)]
pub(crate) struct Room {
    tenant: Option<TenantName>,
    /// Nothing while it is not served.
    router: Option<Router>,
    leaf: Option<Arc<Leaf>>,
    span: Span,
}

impl Room {
    pub(crate) fn new(tenant: Option<TenantName>, leaf: Option<Arc<Leaf>>, edge: Arc<Edge>) -> Self {
        let span = edge.span.clone();
        Self { tenant, router: Some(rest::router(edge)), leaf, span }
    }

    fn at_rest(tenant: TenantName) -> Self {
        Self { tenant: Some(tenant), router: None, leaf: None, span: Span::none() }
    }
}

/// All rooms, by the names that lead to them.
#[derive(Debug)]
pub(crate) struct Door {
    own: Arc<Room>,
    /// Of the broker's own certificate, whatever address is dialled.
    fixed_name: String,
    tenants: RwLock<HashMap<String, Arc<Room>>>,
}

/// Two folders hold the same Nexus.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Taken {
    #[error("it has the identity of the broker's own Nexus, so one of the two is a copy; remove one")]
    Own,
    #[error("the tenant {0} has the same identity, so one of the two is a copy; remove one")]
    Tenant(TenantName),
    #[error(
        "the tenant {tenant} goes by {name} already; leave it out of public_url and allowed_hosts of one of the two"
    )]
    Name { name: String, tenant: TenantName },
}

/// Whether it is the fixed name of a Nexus, which stands for its identity.
pub(crate) fn is_fixed(name: &str) -> bool {
    name.strip_suffix(".nexus").is_some_and(|id| id.parse::<Uuid>().is_ok())
}

/// Whom the handshake of a connection was with; nobody in particular where there was none.
#[derive(Clone, Debug)]
pub(super) enum Met {
    Nobody,
    Own,
    Tenant(TenantName),
}

impl Door {
    pub(crate) fn new(own: Room, fixed_name: String) -> Self {
        Self { own: Arc::new(own), fixed_name, tenants: RwLock::default() }
    }

    /// Whether these names may lead to `tenant`.
    pub(crate) fn check(&self, tenant: &TenantName, names: &[String]) -> Result<(), Taken> {
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        self.are_free(&tenants, Some(tenant), names)
    }

    fn are_free(
        &self,
        tenants: &HashMap<String, Arc<Room>>,
        tenant: Option<&TenantName>,
        names: &[String],
    ) -> Result<(), Taken> {
        if names.contains(&self.fixed_name) {
            return Err(Taken::Own);
        }
        let mut holders = names.iter().filter_map(|name| Some((name, tenants.get(name)?.tenant.as_ref()?)));
        match holders.find(|(_, holder)| Some(*holder) != tenant) {
            Some((name, other)) if is_fixed(name) => Err(Taken::Tenant(other.clone())),
            Some((name, other)) => Err(Taken::Name { name: name.clone(), tenant: other.clone() }),
            None => Ok(()),
        }
    }

    /// From now on these names lead there, and no others of that tenant.
    pub(crate) fn open(&self, names: &[String], room: Room) -> Result<(), Taken> {
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        self.are_free(&tenants, room.tenant.as_ref(), names)?;
        tenants.retain(|_, other| other.tenant != room.tenant);
        let room = Arc::new(room);
        tenants.extend(names.iter().map(|name| (name.clone(), Arc::clone(&room))));
        Ok(())
    }

    /// A tenant is not served for a while: whoever comes is to come again. Names it wants that are another's stay that one's.
    pub(crate) fn rest(&self, tenant: &TenantName, names: &[String]) {
        let room = Arc::new(Room::at_rest(tenant.clone()));
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        tenants.retain(|_, other| other.tenant != room.tenant);
        for name in names {
            tenants.entry(name.clone()).or_insert_with(|| Arc::clone(&room));
        }
    }

    /// Its names lead nowhere any more.
    pub(crate) fn close(&self, tenant: &TenantName) {
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        tenants.retain(|_, room| room.tenant.as_ref() != Some(tenant));
    }

    /// `host`: with or without a port. Who goes by no tenant's name comes to the broker's own Nexus, which
    /// refuses strangers.
    fn room(&self, host: &str) -> Arc<Room> {
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        if tenants.is_empty() {
            return Arc::clone(&self.own);
        }
        let host = host.to_ascii_lowercase();
        Arc::clone(tenants.get(bare(&host)).unwrap_or(&self.own))
    }

    /// Whom a handshake that named `sni` was with.
    pub(super) fn met(&self, sni: Option<&str>) -> Met {
        match &self.room(sni.unwrap_or_default()).tenant {
            Some(tenant) => Met::Tenant(tenant.clone()),
            None => Met::Own,
        }
    }

    pub(super) async fn answer(
        &self,
        mut request: Request<Incoming>,
        remote: Remote,
        met: Met,
    ) -> Response<Body> {
        if !has_one_host(&mut request) {
            let message = "a request names its host once";
            return Problem::new(StatusCode::BAD_REQUEST, ErrorCode::Invalid, message).into_response();
        }
        let host = request.headers().get(header::HOST).and_then(|value| value.to_str().ok());
        let room = self.room(host.unwrap_or_default());
        let is_met = match &met {
            Met::Nobody => true,
            Met::Own => room.tenant.is_none(),
            Met::Tenant(tenant) => room.tenant.as_ref() == Some(tenant),
        };
        if !is_met {
            // RFC 9110, 7.4: the connection was made for another.
            let message = "this connection was made under another name than the one in the Host header; open one for that";
            return Problem::new(StatusCode::MISDIRECTED_REQUEST, ErrorCode::Invalid, message)
                .into_response();
        }
        let Some(router) = room.router.clone() else {
            let message = "this Nexus is not served at the moment; try again later";
            return Problem::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable, message)
                .into_response();
        };
        request.extensions_mut().insert(remote);
        let answering = TowerToHyperService::new(router).call(request).instrument(room.span.clone());
        match answering.await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// Where the target of a request names a host, that counts, whatever the header says (RFC 9112, 3.2.2).
fn has_one_host(request: &mut Request<Incoming>) -> bool {
    if let Some(authority) = request.uri().authority() {
        let Ok(value) = HeaderValue::from_str(authority.as_str()) else { return false };
        request.headers_mut().insert(header::HOST, value);
    }
    request.headers().get_all(header::HOST).iter().count() <= 1
}

/// Each handshake is made with the certificate of whom it is for.
impl ResolvesServerCert for Door {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.room(hello.server_name().unwrap_or_default()).leaf.as_ref().map(|leaf| leaf.current())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_to_one_whoever_is_served_or_not() {
        let own = Room { tenant: None, router: None, leaf: None, span: Span::none() };
        let fixed = |id: u128| format!("{}.nexus", Uuid::from_u128(id));
        let door = Door::new(own, fixed(1));
        let [acme, beta]: [TenantName; 2] = ["acme", "beta"].map(|name| name.parse().unwrap());
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let at = |host: &str| door.room(host).tenant.as_ref().map(ToString::to_string).unwrap_or_default();
        let served = |tenant: &TenantName, names: &[String]| door.open(names, Room::at_rest(tenant.clone()));

        served(&acme, &names(&["acme.localhost", "acme.example", &fixed(2)])).unwrap();
        let taken = |names: &[String]| served(&beta, names).unwrap_err().to_string();
        assert!(
            taken(&names(&["beta.localhost", "acme.example"])).contains("acme goes by acme.example already")
        );
        assert!(taken(&[fixed(2)]).contains("the tenant acme has the same identity"));
        assert!(taken(&[fixed(1)]).contains("the identity of the broker's own Nexus"));
        assert_eq!(at("beta.localhost"), "", "all or nothing");

        // One that cannot have all its names is to be come back to under the others.
        door.rest(&beta, &names(&["beta.localhost", "acme.example"]));
        assert_eq!([at("Beta.localhost:1"), at("acme.example."), at("localhost")], ["beta", "acme", ""]);
        // Begun anew with other names.
        served(&acme, &names(&["acme.localhost"])).unwrap();
        assert_eq!([at("acme.localhost"), at("acme.example"), at(&fixed(2))], ["acme", "", ""]);
        served(&beta, &names(&["beta.localhost", "acme.example"])).unwrap();
        door.close(&beta);
        assert_eq!([at("beta.localhost"), at("acme.example"), at("acme.localhost")], ["", "", "acme"]);
    }
}
