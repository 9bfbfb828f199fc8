//! `certify`: the certificate of a device that keeps its promises, and of one that does not.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::child::{kill, spawn};
use crate::common::{Ended, assert_refused, command, lastbit, names_in, scratch, text, words};

fn certify(out: &Path, flags: &[&str]) -> Ended {
    lastbit(&[&["certify", "--quick", "--adapter", "processor:separate", "--out", text(out)], flags].concat())
}

fn certificate(out: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(out.join("certificate.json")).unwrap()).unwrap()
}

fn promise<'a>(certificate: &'a Value, name: &str) -> &'a Value {
    let promises = certificate["promises"].as_array().unwrap();
    promises.iter().find(|promise| promise["name"] == name).unwrap_or_else(|| panic!("no promise {name}"))
}

/// The text of the certificate's page, which must be well-formed.
fn page(out: &Path) -> String {
    let page = std::fs::read_to_string(out.join("certificate.html")).unwrap();
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
    words(roxmltree::Document::parse_with_options(&page, options).unwrap().root())
}

#[test]
fn the_processor_has_a_certificate() {
    let out = scratch("certificate");
    let ended = certify(&out, &[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(names_in(&out), ["certificate.html", "certificate.json"]);
    let found = certificate(&out);
    assert_eq!(found["format"], 1);
    assert_eq!(found["kept"], true);
    assert!(found["unfinished"].is_null(), "{found}");
    assert_eq!(found["adapter"]["name"], "processor:separate");
    assert_eq!(found["arithmetic"]["class"], "separate");
    assert_eq!(found["arithmetic"]["subnormals"], "kept");
    let names =
        ["instruction sets and threads", "subnormals", "run-to-run", "replica-independent", "controls", "chunks"];
    for name in names {
        let promise = promise(&found, name);
        assert!(promise["kept"] == true && promise["exception"].is_null(), "{promise}");
        assert!(ended.out.contains(&format!("kept    {name}: ")), "{ended:?}");
    }
    let page = page(&out);
    assert!(page.contains("keeps the promises") && page.contains("processor:separate"), "{page}");
    assert!(!page.contains("Where they break"), "{page}");
    // A certificate is never overwritten.
    assert_refused(&certify(&out, &[]), 2, &["--out", "is not empty"]);
}

#[test]
fn an_interrupted_certification_leaves_what_it_found() {
    let out = scratch("certificate-interrupted");
    // The full form, which takes minutes.
    let child = spawn(command(["certify", "--adapter", "processor:separate", "--out", text(&out)]));
    let deadline = Instant::now() + Duration::from_secs(600);
    let found = loop {
        let json = std::fs::read(out.join("certificate.json")).ok();
        let json = json.map(|json| serde_json::from_slice::<Value>(&json).unwrap());
        if let Some(found) = json.filter(|found| found["promises"][0]["kept"] == true) {
            break found;
        }
        assert!(Instant::now() < deadline, "no promise is checked");
        std::thread::sleep(Duration::from_millis(20));
    };
    kill(child);
    assert_eq!(found["promises"][0]["name"], "class");
    assert!(found["unfinished"].is_string() && found["kept"] == false, "{found}");
    let page = page(&out);
    assert!(
        page.contains("in the full form; not finished: the certification was interrupted, or still runs"),
        "{page}"
    );
    assert!(page.contains("Not everything was checked."), "{page}");
    // Nothing of it is overwritten.
    assert_refused(&certify(&out, &[]), 2, &["--out", "is not empty"]);
}

#[test]
fn a_wrong_bit_is_named_and_ends_with_exit_code_1() {
    let out = scratch("certificate-of-a-fault").join("new");
    let ended = certify(&out, &["--fault", "pool_forward"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.err.is_empty() && ended.out.contains("BROKEN  instruction sets and threads: "), "{ended:?}");
    let found = certificate(&out);
    assert_eq!(found["kept"], false);
    let promise = promise(&found, "instruction sets and threads");
    let failure = &promise["failures"][0];
    assert_eq!(failure["kernel"], "pool_forward");
    let bits = |key: &str| u32::from_str_radix(failure[key].as_str().unwrap(), 16).unwrap();
    assert_eq!(bits("expected") ^ bits("found"), 1);
    assert!(failure["case"].as_str().unwrap().contains("resnet20"), "{failure}");
    let page = page(&out);
    assert!(page.contains("Where they break") && page.contains("pool_forward"), "{page}");
    assert!(page.contains(failure["expected"].as_str().unwrap()), "{page}");
}
