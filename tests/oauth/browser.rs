//! A browser: it stores cookies, and follows redirects one by one.

use std::{collections::HashMap, sync::Mutex};

use reqwest::{Client, Method, Response, header, redirect::Policy};
use url::Url;

pub struct Browser {
    client: Client,
    /// By host and port, and by name.
    jar: Mutex<HashMap<(String, String), String>>,
    /// Every address that it was redirected to.
    pub visited: Mutex<Vec<String>>,
}

impl Browser {
    pub fn new() -> Self {
        let client = Client::builder().redirect(Policy::none()).no_proxy();
        Self {
            client: client.build().unwrap(),
            jar: Mutex::default(),
            visited: Mutex::default(),
        }
    }

    pub async fn get(&self, url: &str) -> Response {
        self.send(Method::GET, url, None).await
    }

    pub async fn post(&self, url: &str, form: &HashMap<String, String>) -> Response {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        self.send(Method::POST, url, Some(form)).await
    }

    async fn send(&self, method: Method, url: &str, form: Option<String>) -> Response {
        self.visited.lock().unwrap().push(url.to_owned());
        let url = Url::parse(url).unwrap();
        let host = url.authority().to_owned();
        let cookies: Vec<_> = self
            .jar
            .lock()
            .unwrap()
            .iter()
            .filter(|((owner, _), _)| *owner == host)
            .map(|((_, name), value)| format!("{name}={value}"))
            .collect();
        let mut request = self.client.request(method, url);
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        if let Some(form) = form {
            let kind = "application/x-www-form-urlencoded";
            request = request.header(header::CONTENT_TYPE, kind).body(form);
        }
        let answer = request.send().await.unwrap();
        for line in answer.headers().get_all(header::SET_COOKIE) {
            let line = line.to_str().unwrap();
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            let key = (host.clone(), name.to_owned());
            let mut jar = self.jar.lock().unwrap();
            if line.contains("Max-Age=0;") {
                jar.remove(&key)
            } else {
                jar.insert(key, value.to_owned())
            };
        }
        answer
    }

    /// Follows redirects until a response is none.
    pub async fn visit(&self, url: &str) -> Response {
        let mut url = Url::parse(url).unwrap();
        for _ in 0..10 {
            let answer = self.get(url.as_str()).await;
            let Some(to) = location(&answer) else {
                return answer;
            };
            url = url.join(&to).unwrap();
        }
        panic!("too many redirects")
    }

    /// The names of the cookies that it would send to `url`.
    pub fn names(&self, url: &str) -> Vec<String> {
        let host = Url::parse(url).unwrap().authority().to_owned();
        let jar = self.jar.lock().unwrap();
        let own = jar.keys().filter(|(owner, _)| *owner == host);
        let mut names: Vec<_> = own.map(|(_, name)| name.clone()).collect();
        names.sort();
        names
    }

    pub fn cookie(&self, url: &str, name: &str) -> Option<String> {
        let host = Url::parse(url).unwrap().authority().to_owned();
        let jar = self.jar.lock().unwrap();
        jar.get(&(host, name.to_owned())).cloned()
    }
}

pub fn location(answer: &Response) -> Option<String> {
    let to = answer.headers().get(header::LOCATION)?;
    Some(to.to_str().unwrap().to_owned())
}
