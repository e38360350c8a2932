//! The public service of a connection: the hot path in front of the router.

use std::convert::Infallible;

use axum::{Router, body::Body};
use bytes::Bytes;
use futures_util::{
    TryFutureExt,
    future::{Either as EitherFuture, MapOk, Ready, ready},
};
use http::{Request, Response};
use http_body_util::{Either, Full};
use hyper::{body::Incoming, service::Service};
use hyper_util::service::{TowerToHyperService, TowerToHyperServiceFuture};

use crate::{request_id, router::app, state::Frontend};

/// The router with the hot path in front of it: what is ready in memory goes out
/// without routing, boxing or a future of its own.
#[derive(Clone)]
pub(crate) struct FrontDoor {
    frontend: Frontend,
    router: TowerToHyperService<Router>,
}

pub(crate) type FrontResponse = Response<Either<Full<Bytes>, Body>>;
type RouterFuture = TowerToHyperServiceFuture<Router, Request<Incoming>>;

impl FrontDoor {
    pub(crate) fn new(frontend: Frontend) -> Self {
        let router = TowerToHyperService::new(app(frontend.clone()));
        Self { frontend, router }
    }
}

impl Service<Request<Incoming>> for FrontDoor {
    type Response = FrontResponse;
    type Error = Infallible;
    type Future = EitherFuture<
        Ready<Result<FrontResponse, Infallible>>,
        MapOk<RouterFuture, fn(Response<Body>) -> FrontResponse>,
    >;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        if let Some(mut response) = self.frontend.ready_answer(&request) {
            let id = request_id::identify(request.headers());
            request_id::say(&id, response.headers_mut());
            return EitherFuture::Left(ready(Ok(response.map(Either::Left))));
        }
        let routed: fn(Response<Body>) -> FrontResponse = |response| response.map(Either::Right);
        EitherFuture::Right(self.router.call(request).map_ok(routed))
    }
}
