//! A vendor made of raw sockets: it can end a conversation in every way a real one can, and remembers what it was asked.

use std::sync::{Arc, Mutex, atomic::AtomicUsize, atomic::Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// What one request was.
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub number: usize,
    pub connection: usize,
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// How a conversation goes on after a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// These bytes, and the connection stays.
    Stay(Vec<u8>),
    /// These bytes, then the end.
    Close(Vec<u8>),
    /// A TCP reset.
    Reset,
    /// These bytes, then silence.
    Hang(Vec<u8>),
}

/// A whole answer with a status, header lines and a body.
pub fn answer(status: u16, headers: &str, body: &str) -> Reply {
    let length = body.len();
    Reply::Stay(format!("HTTP/1.1 {status} x\r\n{headers}content-length: {length}\r\n\r\n{body}").into_bytes())
}

pub fn json(status: u16, body: &str) -> Reply {
    answer(status, "content-type: application/json\r\n", body)
}

type Script = Arc<dyn Fn(&Request) -> Reply + Send + Sync>;

pub struct Listener {
    pub address: String,
    requests: Arc<Mutex<Vec<Request>>>,
    task: JoinHandle<()>,
}

impl Listener {
    pub async fn start(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (script, seen) = (Arc::new(script) as Script, requests.clone());
        let task = tokio::spawn(async move {
            let (mut conversations, connections) = (JoinSet::new(), AtomicUsize::new(0));
            while let Ok((stream, _)) = listener.accept().await {
                let connection = connections.fetch_add(1, Ordering::Relaxed);
                conversations.spawn(converse(stream, connection, script.clone(), seen.clone()));
            }
        });
        Self { address, requests, task }
    }

    /// What was asked so far. A request is remembered before it is answered.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Gives the port back.
    pub async fn stop(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn converse(mut stream: TcpStream, connection: usize, script: Script, seen: Arc<Mutex<Vec<Request>>>) {
    let mut buffer = Vec::new();
    while let Some(mut request) = read(&mut stream, &mut buffer).await {
        request.connection = connection;
        let reply = {
            let mut seen = seen.lock().unwrap();
            request.number = seen.len();
            seen.push(request.clone());
            script(&request)
        };
        match reply {
            Reply::Stay(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Reply::Close(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.shutdown().await;
                return;
            }
            Reply::Reset => {
                stream.set_zero_linger().unwrap();
                return;
            }
            Reply::Hang(bytes) => {
                let _ = stream.write_all(&bytes).await;
                // Until the other side gives up.
                let _ = stream.read(&mut [0]).await;
                return;
            }
        }
    }
}

async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Request> {
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(buffer[..end].to_vec()).ok()?;
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ').map(str::to_owned);
    let header = |line: &str| line.split_once(':').map(|(n, v)| (n.to_lowercase(), v.trim().to_owned()));
    let mut request =
        Request { method: first.next()?, path: first.next()?, headers: lines.filter_map(header).collect(), ..Request::default() };
    let length = request.header("content-length").map_or(Some(0), |v| v.parse().ok())?;
    while buffer.len() < end + length {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    request.body = buffer[end..end + length].to_vec();
    buffer.drain(..end + length);
    Some(request)
}
