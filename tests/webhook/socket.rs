//! The endpoint on a real socket: slow, many and last connections.

use std::time::Duration;

use axum::Router;
use axum::routing::post;
use onfido_operator::webhook::Limits;
use onfido_operator::webhook::serve::{BindError, bind, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::rig::{Rig, TOKEN, completed, signed};

const SOON: Duration = Duration::from_secs(20);

fn brisk() -> Limits {
    Limits { head_time: Duration::from_millis(300), body_time: Duration::from_millis(300), ..Limits::default() }
}

async fn start(router: Router, limits: Limits) -> (std::net::SocketAddr, CancellationToken, JoinHandle<()>) {
    let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    (address, stop.clone(), tokio::spawn(serve(listener, router, limits, stop)))
}

/// Everything until the server closes the connection.
async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    timeout(SOON, stream.read_to_end(&mut answer)).await.expect("the server closes in time").unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_delivery_is_answered_over_the_wire_and_the_connection_closed() {
    let rig = Rig::new("wire").await;
    let (address, stop, ended) = start(rig.router.clone(), Limits::default()).await;
    let body = completed("foreign", &[]);
    let signature = signed(&rig.path(), TOKEN, &body).headers()["x-sha2-signature"].to_str().unwrap().to_owned();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head =
        format!("POST {} HTTP/1.1\r\nhost: x\r\nx-sha2-signature: {signature}\r\ncontent-length: {}\r\n\r\n", rig.path(), body.len());
    stream.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 200 "));
    stop.cancel();
    timeout(SOON, ended).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_head_or_body_that_does_not_come_ends_the_connection() {
    let rig = Rig::limited("slow", brisk()).await;
    let (address, ..) = start(rig.router.clone(), brisk()).await;
    let mut silent = TcpStream::connect(address).await.unwrap();
    let mut head = TcpStream::connect(address).await.unwrap();
    head.write_all(b"POST / HTTP/1.1\r\nhost: x\r\nx-").await.unwrap();
    let mut body = TcpStream::connect(address).await.unwrap();
    let request = format!("POST {} HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{{", rig.path());
    body.write_all(request.as_bytes()).await.unwrap();
    assert!(!rest(&mut silent).await.contains("200"));
    assert!(!rest(&mut head).await.contains("200"));
    assert!(rest(&mut body).await.starts_with("HTTP/1.1 408 "));
}

#[tokio::test]
async fn who_finds_no_place_waits_for_one() {
    let limits = Limits { connections: 1, ..Limits::default() };
    let (address, ..) = start(Router::new().route("/", post(|| async { "served" })), limits).await;
    let mut first = TcpStream::connect(address).await.unwrap();
    first.write_all(b"POST / HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    let mut second = TcpStream::connect(address).await.unwrap();
    second.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    let mut byte = [0];
    let early = timeout(Duration::from_millis(200), second.peek(&mut byte)).await;
    assert!(early.is_err(), "the only place is taken");
    first.write_all(b"content-length: 0\r\n\r\n").await.unwrap();
    assert!(rest(&mut first).await.ends_with("served"));
    assert!(rest(&mut second).await.ends_with("served"));
}

#[tokio::test]
async fn a_shutdown_lets_the_one_being_served_finish() {
    let (entered, mut inside) = tokio::sync::mpsc::channel::<()>(1);
    let gate = CancellationToken::new();
    let opened = gate.clone();
    let handler = async move || {
        entered.send(()).await.unwrap();
        opened.cancelled().await;
        "served"
    };
    let (address, stop, ended) = start(Router::new().route("/", post(handler)), Limits::default()).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    timeout(SOON, inside.recv()).await.unwrap().unwrap();
    stop.cancel();
    let refused = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, refused).await.expect("nobody new is let in");
    assert!(!ended.is_finished());
    gate.cancel();
    assert!(rest(&mut stream).await.ends_with("served"));
    timeout(SOON, ended).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_those_who_say_nothing() {
    let limits = Limits { head_time: 100 * SOON, work_time: Duration::from_millis(200), ..Limits::default() };
    let (address, stop, ended) = start(Router::new(), limits).await;
    let mut silent = TcpStream::connect(address).await.unwrap();
    silent.write_all(b"POST / HTTP/1.1\r\n").await.unwrap();
    stop.cancel();
    timeout(SOON, ended).await.expect("it ends in time").unwrap();
}

#[tokio::test]
async fn a_port_in_use_is_one_clear_line() {
    let taken = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = taken.local_addr().unwrap();
    let error = bind(address).await.unwrap_err();
    assert!(matches!(error, BindError::InUse(_)));
    assert_eq!(error.to_string(), format!("cannot listen on {address}: the port is in use"));
}
