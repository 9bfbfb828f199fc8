//! `lastbit compare --ends`: networks compared at the end of training.

use std::process::ExitCode;
use std::rc::Rc;

use super::Arguments;
use crate::datasets::{self, Images};
use crate::ends::{Comparer, IMAGES, Place, lines};
use crate::failure::Failure;
use crate::report;
use crate::run_config::OnBrokenDevice;
use crate::terminal::print_line;
use crate::{device, device_test, interrupt};

/// Compares the networks, writes file and page, and prints the result.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    interrupt::install()?;
    let first = Place::find(&arguments.first)?;
    let second = arguments.second.as_deref().map(Place::find).transpose()?;
    match &second {
        Some(second) => first.check_line_to(second)?,
        None if first.config.train.ks.len() < 2 => {
            return Err(Failure::usage(format!(
                "'{}' has a single copy: give another run, too, or train with several k, as in --ks 1,3",
                first.run.display()
            )));
        }
        None => {}
    }
    let (train, host) = (&first.config.train, &first.config.host);
    let context = Rc::new(device::open(arguments.adapter.as_deref())?);
    device_test::judge(&context, &device_test::run(&context, None)?, OnBrokenDevice::Warn)?;
    let data_dir = arguments.data_dir.as_deref().or(host.data_dir.as_deref());
    let images = Images::new(datasets::load(train, data_dir)?);
    let _unsaved = interrupt::UnsavedWork::begin();
    let mut comparer = Comparer::new(&context, train, &images, arguments.images.unwrap_or(IMAGES))?;
    let say = |text: &str| {
        if !arguments.json {
            print_line(text);
        }
    };
    let (record, page) = match &second {
        Some(second) => {
            let record = comparer.places([&first, second], say)?;
            let page = arguments.out.clone().unwrap_or_else(|| first.run.join("ends.html"));
            let title = format!("{} on {}{}, two ends", train.net, train.dataset, images.origin_note());
            (record.clone(), report::write_ends(&record, &title, &page)?)
        }
        None => {
            let record = comparer.replicas(&first, say)?;
            let page = if first.is_end {
                record.write(&first.run)?;
                report::write(&first.run, arguments.out.as_deref())?.path
            } else {
                // The run's own file and page are about its end.
                let page = arguments.out.clone().unwrap_or_else(|| first.run.join("ends.html"));
                report::write_ends(
                    &record,
                    &format!("{} on {}{}, an earlier step", train.net, train.dataset, images.origin_note()),
                    &page,
                )?
            };
            (record, page)
        }
    };
    if arguments.json {
        print_line(record.to_text()?.trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    lines(&record).iter().for_each(print_line);
    print_line(format!("report: {}", page.display()));
    Ok(ExitCode::SUCCESS)
}
