//! The server: connections, shared state, the clock that moves the pure vendor. Routes are in its parts.

mod calls;
mod connection;
mod owner;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use std::sync::Arc;

use super::delivery::Deliveries;
use super::faults::FaultBook;
use super::vendor::Vendor;

/// Everything the routes share.
pub(super) struct Shared {
    vendor: Mutex<Vendor>,
    faults: Mutex<FaultBook>,
    pub(super) deliveries: Deliveries,
    changed: Notify,
    stop: CancellationToken,
}

impl Shared {
    pub(super) fn new(vendor: Vendor, deliveries: Deliveries, stop: CancellationToken) -> Self {
        Self { vendor: Mutex::new(vendor), faults: Mutex::default(), deliveries, changed: Notify::new(), stop }
    }

    /// Use the vendor now; what it has to tell goes out afterwards.
    pub(super) fn vendor<R>(&self, use_it: impl FnOnce(&mut Vendor, Timestamp) -> R) -> R {
        let (result, events) = {
            let mut vendor = self.vendor.lock().unwrap_or_else(PoisonError::into_inner);
            let result = use_it(&mut vendor, Timestamp::now());
            (result, vendor.take_events())
        };
        for event in &events {
            self.deliveries.send(event);
        }
        self.changed.notify_one();
        result
    }

    fn faults<R>(&self, use_them: impl FnOnce(&mut FaultBook) -> R) -> R {
        use_them(&mut self.faults.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Serve until told to stop.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let router =
        Router::new().merge(super::page::routes()).nest("/_simulator", owner::routes()).fallback(calls::vendor).with_state(shared.clone());
    let stop = shared.stop.clone();
    tokio::join!(connection::accept(listener, router, stop.clone()), stop.run_until_cancelled(clock(&shared)));
}

/// Lets happen what is due, at the time it is due.
async fn clock(shared: &Shared) {
    loop {
        let wait = {
            let mut vendor = shared.vendor.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Timestamp::now();
            vendor.advance(now);
            let events = vendor.take_events();
            let due = vendor.next_due();
            drop(vendor);
            for event in &events {
                shared.deliveries.send(event);
            }
            due.map(|at| Duration::try_from(at.duration_since(now)).unwrap_or_default())
        };
        match wait {
            None => shared.changed.notified().await,
            // A millisecond more: waking just before the due time would only come back here.
            Some(wait) => {
                let _ = tokio::time::timeout(wait + Duration::from_millis(1), shared.changed.notified()).await;
            }
        }
    }
}
