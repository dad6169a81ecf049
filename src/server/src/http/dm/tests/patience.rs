//! Peers that take their time: each wait has an end, and nobody else waits with them.

use super::world::{PATIENCE, Phone, Server, Socket, XML, post};
use crate::clock::stopwatch;
use std::time::Duration;
use tokio::{io::AsyncWriteExt, net::TcpSocket};

const SHORT: &str = "header_wait = \"300ms\"\nbody_wait = \"300ms\"\nmax_connections = ";

fn request() -> Vec<u8> {
    post("/dm/operator", XML, Phone::new("IMEI:1", "5").hello(1, None).as_bytes())
}

#[tokio::test]
async fn a_body_that_comes_octet_by_octet_is_given_up_in_time() {
    let server = Server::start(&format!("{SHORT}8")).await;
    let (request, watch) = (request(), stopwatch());
    let body = request.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let mut socket = Socket::open(server.at()).await;
    socket.write(&request[..body]).await;
    let slowly = async {
        for octet in request[body..].chunks(1).cycle() {
            if socket.stream.write_all(octet).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
            if socket.stream.try_read(&mut [0; 1]).is_ok() {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, slowly).await.expect("the server answers or hangs up");
    assert!(watch.elapsed() < Duration::from_secs(5));
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_answered_408() {
    let server = Server::start(&format!("{SHORT}8")).await;
    let request = request();
    let reply = server.send(&request[..request.len() - 1]).await;
    assert_eq!(reply.status, 408);
    server.stop().await;
}

#[tokio::test]
async fn connections_that_say_nothing_are_closed_and_others_served_meanwhile() {
    let server = Server::start(&format!("{SHORT}4")).await;
    let mut silent = Vec::new();
    for said in ["", "POST /dm/ope", "POST /dm/operator HTTP/1.1\r\nHost: x\r\nX-Y"] {
        let mut socket = Socket::open(server.at()).await;
        socket.write(said.as_bytes()).await;
        silent.push(socket);
    }
    assert_eq!(server.send(&request()).await.code(), 407, "there is one place left");
    for socket in &mut silent {
        assert!(socket.reply().await.is_none_or(|reply| reply.status == 408));
    }
    // An idle connection ends too, after it was useful.
    let mut idle = Socket::open(server.at()).await;
    idle.write(&request()).await;
    assert_eq!(idle.reply().await.unwrap().code(), 407);
    assert!(idle.reply().await.is_none());
    server.stop().await;
}

#[tokio::test]
async fn more_connections_than_places_wait_for_their_turn() {
    let server = Server::start(&format!("{SHORT}2")).await;
    let _silent = [Socket::open(server.at()).await, Socket::open(server.at()).await];
    let watch = stopwatch();
    assert_eq!(server.send(&request()).await.code(), 407);
    assert!(watch.elapsed() < PATIENCE);
    server.stop().await;
}

#[tokio::test]
async fn a_peer_that_does_not_read_its_answers_gives_its_place_back() {
    let server = Server::start(&format!("{SHORT}1")).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut deaf = socket.connect(server.at()).await.unwrap();
    let request = request();
    let stall = Duration::from_millis(100);
    // Until nothing moves any more, in either direction.
    while let Ok(Ok(())) = tokio::time::timeout(stall, deaf.write_all(&request)).await {}
    assert_eq!(server.send(&request).await.code(), 407);
    server.stop().await;
}
