//! The page of a certificate.

use lastbit_core::arithmetic::DeviceClass;
use lastbit_core::certify::{Certificate, Failure, KernelFailure, POISON, Promise, Speed};
use maud::{Markup, html};

use crate::html::{self, Light, cell, code, document, header, lamp, note, prose, section, table};
use crate::numbers::{count, number, thousands};

const STYLE: &str = include_str!("page.css");

/// The page, as one self-contained file.
pub fn page(certificate: &Certificate) -> String {
    let mut sections = vec![
        section("meaning", "What this is", meaning(certificate)),
        section("promises", "Promises", promises(certificate)),
    ];
    if certificate.promises.iter().any(|promise| !promise.kept) {
        sections.push(section("failures", "Where they break", failures(certificate)));
    }
    sections.push(section("device", "The device", device(certificate)));
    if !certificate.speed.is_empty() {
        sections.push(section("speed", "Speed", speed(certificate)));
    }
    let title = format!("Certificate of {}", certificate.adapter.name);
    document(&title, STYLE, &head(certificate), &sections, &html! {})
}

fn head(certificate: &Certificate) -> Markup {
    let adapter = &certificate.adapter;
    let broken = certificate.promises.iter().filter(|promise| !promise.kept).count() as u64;
    let exceptions = certificate.promises.iter().filter(|promise| promise.exception.is_some()).count() as u64;
    let (light, word, sentence) = if certificate.unfinished.is_some() {
        let light = if broken == 0 { Light::Off } else { Light::Red };
        let breaks =
            if broken == 0 { String::new() } else { format!("This device breaks {}. ", count(broken, "promise")) };
        (light, "unfinished", format!("{breaks}Not everything was checked."))
    } else if certificate.kept {
        let except = if exceptions == 0 { "" } else { ", with the documented exceptions below" };
        (Light::Green, "kept", format!("This device keeps the promises of lastbit{except}."))
    } else {
        (Light::Red, "broken", format!("This device breaks {} of lastbit.", count(broken, "promise")))
    };
    let n = count(certificate.promises.len() as u64, "promise");
    let size = if certificate.quick { "quick form" } else { "full form" };
    let why = certificate.unfinished.as_ref().map_or(String::new(), |why| format!("; not finished: {why}"));
    let checked = format!("{n} checked in the {size}{why}");
    let above = format!("certificate of a device · {}", certificate.date);
    let below = html! {
        (lamp(light, word, checked))
        dl.key {
            div { dt { "class" } dd { (certificate.arithmetic.class) } }
            div { dt { "subnormal numbers" } dd { (certificate.arithmetic.subnormals) } }
            div { dt { "order of sums" } dd { "version " (certificate.order) } }
        }
    };
    header(above, html! { (adapter.name) ": " (sentence) }, below)
}

fn light(promise: &Promise) -> Light {
    match promise.kept {
        true if promise.is_excepted() => Light::Off,
        true => Light::Green,
        false => Light::Red,
    }
}

fn promises(certificate: &Certificate) -> Markup {
    html! {
        @for promise in &certificate.promises {
            div.promise {
                (lamp(light(promise), promise.name, prose(promise.meaning)))
                p.note { "Checked: " (prose(&promise.checked)) " (" (format!("{:.1}", promise.seconds)) " s)." }
                @if let Some(exception) = &promise.exception { p.notice { "Exception: " (exception) "." } }
                @if !promise.kept {
                    p.bad { (count(promise.failure_count, "comparison")) " failed." }
                }
            }
        }
    }
}

fn failures(certificate: &Certificate) -> Markup {
    let broken: Vec<_> = certificate.promises.iter().filter(|promise| !promise.kept).collect();
    let kernel_rows = |promise: &Promise| -> Vec<Vec<Markup>> {
        let of_kernels = promise.failures.iter().filter_map(|failure| match failure {
            Failure::Kernel(failure) => Some(kernel_row(failure)),
            Failure::Text(_) => None,
        });
        of_kernels.collect()
    };
    let texts = |promise: &Promise| -> Vec<String> {
        let of_words = promise.failures.iter().filter_map(|failure| match failure {
            Failure::Kernel(_) => None,
            Failure::Text(text) => Some(text.clone()),
        });
        of_words.collect()
    };
    html! {
        @for promise in broken {
            h3 { (promise.name) }
            @let rows = kernel_rows(promise);
            @if !rows.is_empty() {
                (table("failures", &["kernel", "element", "expected", "found", "differ", "where"], rows))
            }
            @let texts = texts(promise);
            @if !texts.is_empty() { ul { @for text in texts { li { (prose(text)) } } } }
        }
        (note(format!(
            "Each kernel is listed once, with the first element that differs. {POISON:08x} marks an element that is not written: \
             outputs hold it before a kernel runs."
        )))
    }
}

fn kernel_row(failure: &KernelFailure) -> Vec<Markup> {
    let bits = |bits: &str| {
        let value = u32::from_str_radix(bits, 16).map_or(f32::NAN, f32::from_bits);
        html! { span.value { (bits) } " " small { (format!("{value:e}")) } }
    };
    vec![
        code(&failure.kernel),
        html! { (failure.buffer) "[" (failure.element) "]" },
        bits(&failure.expected),
        bits(&failure.found),
        cell(thousands(failure.elements)),
        html! { (failure.case) " " small { (failure.constants) } },
    ]
}

fn device(certificate: &Certificate) -> Markup {
    let adapter = &certificate.adapter;
    let meaning = match certificate.arithmetic.class {
        DeviceClass::Fused => "a product and a sum are rounded together, once",
        DeviceClass::Separate => "a product is rounded, then the sum",
        DeviceClass::Neither => "multiply-adds do not all round in the same way",
    };
    let mut rows = vec![
        vec![cell("name"), cell(&adapter.name)],
        vec![cell("driver"), cell(&adapter.driver)],
        vec![cell("interface"), cell(&adapter.backend)],
        vec![cell("kind"), cell(&adapter.kind)],
        vec![cell("class"), html! { (certificate.arithmetic.class) ": " (meaning) }],
        vec![cell("subnormal numbers"), cell(certificate.arithmetic.subnormals.name())],
        vec![cell("lastbit"), html! { (certificate.lastbit) ", order of sums version " (certificate.order) }],
    ];
    if let Some(detail) = &adapter.detail {
        rows.insert(1, vec![cell("instructions"), cell(detail)]);
    }
    table("facts", &["", ""], rows)
}

fn speed(certificate: &Certificate) -> Markup {
    let or_dash = |value: f64, text: String| cell(if value > 0.0 { text } else { "–".to_owned() });
    let percent = |share: f64| or_dash(share, format!("{:.0} %", share * 100.0));
    let row = |row: &Speed| {
        vec![
            code(&row.name),
            cell(&row.shape),
            html::number(row.ms, number(row.ms)),
            or_dash(row.gflops, number(row.gflops)),
            percent(row.fma_share),
            or_dash(row.gbps, number(row.gbps)),
            percent(row.copy_share),
        ]
    };
    html! {
        p {
            "Each operation beside what the device can do at most: its rate of multiply-adds in registers and the bandwidth of a copy. \
             One measurement each; nothing is promised about speed."
        }
        (table("numbers", &["operation", "shape", "ms", "GFLOP/s", "of multiply-adds", "GB/s", "of copy"], certificate.speed.iter().map(row)))
    }
}

fn meaning(certificate: &Certificate) -> Markup {
    let compared = if certificate.adapter.backend == "processor" {
        "Every kernel of a GPU has a twin: a program for the processor that computes the same sums in the same order. Here the twins are \
         compared with themselves, in each instruction set and with several numbers of threads, on the same values, word by word. "
    } else {
        "Every kernel has a twin: a program for the processor that computes the same sums in the same order. Here the kernels run on \
         the device and the twins beside them, on the same values, and every word is compared. "
    };
    html! {
        p {
            "lastbit trains copies of one network that differ in an integer k alone, and says: when two copies differ, k is the reason. \
             That rests on arithmetic in which every bit is determined. A device of the same class that keeps the promises computes the \
             same bits as every other one, whatever its make."
        }
        p {
            (compared)
            (code("lastbit certify")) " makes this page; RULES.md of lastbit states the promises and the exceptions."
        }
    }
}
