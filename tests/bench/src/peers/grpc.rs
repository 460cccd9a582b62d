//! tonic over a Unix socket. The service is written out: generating it would need a compiler for protocols
//! on every machine, and it is the same code.

use crate::arguments::Work;
use crate::failure::{Doing, Failure};
use crate::ipc::{Payload, answer};
use crate::measure::Subject;
use crate::server::say_ready;
use bytes::Bytes;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::{Builder, Runtime};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::body::Body;
use tonic::codegen::http::{self, uri::PathAndQuery};
use tonic::codegen::{BoxFuture, Service};
use tonic::server::{NamedService, UnaryService};
use tonic::transport::{Channel, Endpoint, Server, Uri};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

/// Room for a message of 1 MiB and what is around it.
const MOST: usize = 8 << 20;
const STREAM_WINDOW: u32 = 4 << 20;
const WINDOW: u32 = 8 << 20;

/// The one message of the service.
#[derive(Clone, PartialEq, prost::Message)]
struct Blob {
    #[prost(bytes = "bytes", tag = "1")]
    data: Bytes,
}

type Codec = ProstCodec<Blob, Blob>;

fn runtime() -> Result<Runtime, Failure> {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.doing("start a runtime")
}

pub(super) struct Client {
    runtime: Runtime,
    client: tonic::client::Grpc<Channel>,
    payload: Payload,
}

impl Client {
    pub(super) fn connect(address: &str, work: Work) -> Result<Self, Failure> {
        let runtime = runtime()?;
        let path = address.to_owned();
        let connector = tower::service_fn(move |_: Uri| {
            let path = path.clone();
            async move { UnixStream::connect(path).await.map(TokioIo::new) }
        });
        let endpoint = Endpoint::from_static("http://localhost")
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(WINDOW);
        let channel = runtime.block_on(endpoint.connect_with_connector(connector));
        let client = tonic::client::Grpc::new(channel.doing("connect")?);
        Ok(Self {
            runtime,
            client: client.max_decoding_message_size(MOST),
            payload: Payload::new(work),
        })
    }
}

impl Subject for Client {
    fn name(&self) -> &'static str {
        "tonic"
    }

    fn call(&mut self) -> Result<(), Failure> {
        self.payload.stamp();
        let data = Bytes::copy_from_slice(&self.payload.request);
        let client = &mut self.client;
        let got = self.runtime.block_on(async {
            let ready = client.ready().await;
            ready.map_err(|error| Status::unavailable(error.to_string()))?;
            let path = PathAndQuery::from_static("/bench.Bench/Call");
            let request = Request::new(Blob { data });
            client
                .unary::<Blob, Blob, _>(request, path, Codec::default())
                .await
        });
        let got = got.doing("call through tonic")?;
        self.payload.check_in(&got.into_inner().data)
    }
}

#[derive(Clone, Copy)]
struct Answerer(Work);

impl NamedService for Answerer {
    const NAME: &'static str = "bench.Bench";
}

impl UnaryService<Blob> for Answerer {
    type Response = Blob;
    type Future = Ready<Result<Response<Blob>, Status>>;

    fn call(&mut self, request: Request<Blob>) -> Self::Future {
        let mut reply = vec![0; self.0.reply];
        answer(self.0.service(), &request.get_ref().data, &mut reply);
        let data = reply.into();
        ready(Ok(Response::new(Blob { data })))
    }
}

impl Service<http::Request<Body>> for Answerer {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let answerer = *self;
        Box::pin(async move {
            let grpc = tonic::server::Grpc::new(Codec::default());
            let mut grpc = grpc.max_decoding_message_size(MOST);
            Ok(grpc.unary(answerer, request).await)
        })
    }
}

/// One thread, which is enough for a service that never waits.
pub(super) fn serve(at: &str, work: Work) -> Result<(), Failure> {
    runtime()?.block_on(async {
        let listener = UnixListener::bind(at).doing("listen")?;
        say_ready(at)?;
        let server = Server::builder()
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(WINDOW)
            .add_service(Answerer(work))
            .serve_with_incoming(UnixListenerStream::new(listener));
        server.await.doing("serve through tonic")
    })
}
