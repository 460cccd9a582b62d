//! A page of a web server, by HTTP/1.1.
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::{Request, StatusCode, Uri, client::conn::http1, header::HOST};
use hyper_util::rt::TokioIo;
use resmgr::{Errno, Result};
use std::error::Error;
use tokio::{net::TcpStream, task::JoinSet};

/// A page that is longer is not shown (EFBIG).
const LONGEST: usize = 1 << 20;

pub(crate) struct Page(Uri);

impl Page {
    pub(crate) fn new(url: &str) -> Result<Self, Box<dyn Error>> {
        let uri: Uri = url.parse().map_err(|error| format!("{url}: {error}"))?;
        if uri.scheme_str() != Some("http") || uri.host().is_none() {
            return Err(format!("{url}: it does not begin with http://host").into());
        }
        Ok(Self(uri))
    }

    /// Asks for it, by a connection of its own. Who drops this future ends the connection.
    pub(crate) async fn get(&self) -> Result<Bytes> {
        let host = self.0.host().ok_or(Errno::INVAL)?;
        let port = self.0.port_u16().unwrap_or(80);
        // ECONNREFUSED, EHOSTUNREACH and others: what the system says.
        let stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (mut http, connection) = handshake.map_err(|_| Errno::IO)?;
        // It moves the bytes, and is ended with this set.
        let mut tasks = JoinSet::new();
        tasks.spawn(connection);

        let path = self.0.path_and_query().map_or("/", |path| path.as_str());
        let request = Request::get(path).header(HOST, format!("{host}:{port}"));
        let request = request.body(Empty::<Bytes>::new());
        let answer = http.send_request(request.map_err(|_| Errno::INVAL)?).await;
        let answer = answer.map_err(|_| Errno::IO)?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => return Err(Errno::NOENT),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(Errno::ACCES),
            StatusCode::SERVICE_UNAVAILABLE => return Err(Errno::BUSY),
            _ => return Err(Errno::IO),
        }
        match Limited::new(answer.into_body(), LONGEST).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(Errno::FBIG),
            Err(_) => Err(Errno::IO),
        }
    }
}
