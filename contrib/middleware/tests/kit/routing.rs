//! Mounts and routes, and the lives of the applications behind them.

use std::sync::atomic::Ordering;

use http::{Method, StatusCode};
use rwgi::{Environ, StartResponse};
use rwgi_middleware::{Client, PathParameters, Router, UrlMap};

use crate::common::{Living, place, wait};

#[test]
fn the_longest_prefix_wins_and_no_octet_of_the_path_changes() {
    let map = UrlMap::new().mount("/", place).mount("/shop/", place).mount("shop/admin", place);
    let client = Client::new(map);
    for (path, expected) in [
        ("/", "GET  /"),
        ("/shop", "GET /shop "),
        ("/shop/", "GET /shop /"),
        ("/shopping", "GET  /shopping"),
        ("/shop/admin/a%2Fb//c", "GET /shop/admin /a%2Fb//c"),
        ("/shop/administrator", "GET /shop /administrator"),
        ("/%73hop", "GET  /%73hop"),
        ("/shop/../x", "GET /shop /../x"),
    ] {
        assert_eq!(wait(client.get(path).send()).text(), expected, "{path}");
    }
}

#[test]
fn maps_nest() {
    let client = Client::new(UrlMap::new().mount("/a", UrlMap::new().mount("/b", place)));
    assert_eq!(wait(client.get("/a/b/c").send()).text(), "GET /a/b /c");
    assert_eq!(wait(client.get("/a/c").send()).status(), StatusCode::NOT_FOUND);
}

#[test]
fn what_nobody_takes_goes_to_the_rest_or_is_404() {
    let client = Client::new(UrlMap::new().mount("/a", place));
    assert_eq!(wait(client.get("/b").send()).status(), StatusCode::NOT_FOUND);
    let client = Client::new(UrlMap::new().mount("/a", place).otherwise(place));
    assert_eq!(wait(client.get("/b").send()).text(), "GET  /b");
    assert_eq!(wait(client.request(Method::OPTIONS, "*").send()).text(), "OPTIONS  *");
}

#[test]
fn a_prefix_that_is_mounted_again_replaces_the_first() {
    let other = |_: Environ, start: StartResponse| async move {
        start.respond(StatusCode::OK, (), "other")
    };
    let client = Client::new(UrlMap::new().mount("/a", place).mount("/a/", other));
    assert_eq!(wait(client.get("/a").send()).text(), "other");
}

#[test]
fn all_applications_live_and_end_together() {
    let [one, two] = [Living::default(), Living::default()];
    let client = Client::new(UrlMap::new().mount("/a", one.clone()).otherwise(two.clone()));
    wait(client.startup());
    pollster::block_on(client.shutdown());
    for living in [&one, &two] {
        assert_eq!(living.started.load(Ordering::Relaxed), 1);
        assert_eq!(living.ended.load(Ordering::Relaxed), 1);
    }
}

#[test]
fn where_one_fails_to_start_those_before_it_end_and_the_error_is_told() {
    let (one, two) = (Living::default(), Living { fails: true, ..Living::default() });
    let map = UrlMap::new().mount("/longer", one.clone()).mount("/a", two.clone());
    assert!(pollster::block_on(Client::new(map).startup()).is_err());
    let router = Router::new().get("/a", one.clone()).get("/b", two.clone());
    assert!(pollster::block_on(Client::new(router).startup()).is_err());
    assert_eq!(one.ended.load(Ordering::Relaxed), 2);
    assert_eq!(two.ended.load(Ordering::Relaxed), 0);
}

#[test]
fn a_route_is_found_by_method_and_path() {
    let named = |environ: Environ, start: StartResponse| async move {
        let parameters = PathParameters::of(&environ);
        let text = format!("{:?} {:?}", parameters.get("id"), parameters.get("none"));
        start.respond(StatusCode::OK, (), text)
    };
    let router = Router::new()
        .get("/", place)
        .get("/users/me", place)
        .get("/users/{id}", named)
        .put("/users/{id}", named)
        .delete("/users/{id}", named)
        .route(Method::from_bytes(b"VIEW").unwrap(), "/users/{id}/", place);
    let client = Client::new(router);
    let ask = |method: &str, path: &str| {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let response = wait(client.request(method, path).send());
        let allow = response.header("allow").unwrap_or_default().to_owned();
        (response.status().as_u16(), response.text().to_owned(), allow)
    };
    assert_eq!(ask("GET", "/").1, "GET  /");
    assert_eq!(ask("GET", "/users/me").1, "GET  /users/me");
    assert_eq!(ask("GET", "/users/7").1, "Some(\"7\") None");
    assert_eq!(ask("PUT", "/users/a%2Fb").1, "Some(\"a/b\") None");
    assert_eq!(ask("VIEW", "/users/7/").1, "VIEW  /users/7/");
    assert_eq!(ask("HEAD", "/users/7").0, 200);
    assert_eq!(ask("GET", "/users/").0, 404);
    assert_eq!(ask("GET", "/users/7/8").0, 404);
    assert_eq!(ask("GET", "/users/%zz").0, 400);
    let (status, _, allow) = ask("POST", "/users/7");
    assert_eq!((status, &*allow), (405, "GET, HEAD, PUT, DELETE"));
}

#[test]
fn a_router_routes_what_is_left_of_the_path() {
    let client = Client::new(UrlMap::new().mount("/api", Router::new().get("/x", place)));
    assert_eq!(wait(client.get("/api/x").send()).text(), "GET /api /x");
}
