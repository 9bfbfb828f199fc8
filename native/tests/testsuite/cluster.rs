//! The scripts for Slurm in docs/CLUSTER.md, on a cluster of one node that the test starts: one task gets the notice before the time
//! limit, another is requeued by force, and the folder ends as the one of the line without `--task`. Tasks that fail keep the report's job
//! from its turn. It takes minutes: by the name of this module it starts early, while there are other tests to run beside it.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::child::wait_for_step;
use crate::common::skip::skip;
use crate::common::{Ended, lastbit, scratch, text};
use crate::tasks::assert_equal_reproductions;

const PAGE: &str = include_str!("../../../docs/CLUSTER.md");
const PROGRAMS: [&str; 6] = ["munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol"];
/// The experiment in place of the page's: four tasks of some seconds, which are stopped in the middle.
const EXPERIMENT: &str = "reproduce fig2 --quick --net resnet8 --dataset synthetic --batch-size 4 --ns 2,8 --steps 250 --test-limit 16 \
                          --perturbation divide,nextafter";
/// In place of the page's GPUs.
const ADAPTER: &str = "--adapter processor --threads 1";
/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(600);

/// The path of a program; those of administrators are often not on a user's PATH.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// Fenced blocks of the section on Slurm.
fn documented() -> Vec<String> {
    let section = PAGE.split("\n## ").find(|section| section.starts_with("Slurm\n")).unwrap();
    let blocks = section.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap().to_owned());
    blocks.collect()
}

/// A port that nobody listens on.
fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// A cluster of one node with two GPUs that exist in its books only. It ends with this value.
struct Cluster {
    home: PathBuf,
    daemons: Vec<Child>,
}

impl Cluster {
    fn start(home: &Path) -> Self {
        let host = Command::new("hostname").arg("-s").output().unwrap();
        let host = String::from_utf8(host.stdout).unwrap().trim().to_owned();
        let user = Command::new("id").arg("-un").output().unwrap();
        let user = String::from_utf8(user.stdout).unwrap().trim().to_owned();
        for folder in ["state", "spool"] {
            fs::create_dir_all(home.join(folder)).unwrap();
        }
        // Sockets have short paths.
        let socket = std::env::temp_dir().join(format!("lastbit-munge-{}", std::process::id()));
        let at = |name: &str| home.join(name).display().to_string();
        fs::write(at("munge.key"), [7; 1024]).unwrap();
        let mut chmod = Command::new("chmod");
        assert!(chmod.args(["600", &at("munge.key")]).status().unwrap().success());
        let (controller, node) = (free_port(), free_port());
        fs::write(at("gres.conf"), "Name=gpu File=/dev/null\nName=gpu File=/dev/zero\n").unwrap();
        let config = format!(
            "ClusterName=test\nSlurmctldHost={host}(127.0.0.1)\nSlurmUser={user}\nSlurmdUser={user}\n\
             AuthType=auth/munge\nCredType=cred/munge\nAuthInfo=socket={socket},cred_expire=5\n\
             SlurmctldPort={controller}\nSlurmdPort={node}\nStateSaveLocation={state}\nSlurmdSpoolDir={spool}\n\
             SlurmctldPidFile={home}/slurmctld.pid\nSlurmdPidFile={home}/slurmd.pid\n\
             ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nMpiDefault=none\nSwitchType=switch/none\n\
             JobAcctGatherType=jobacct_gather/none\nAccountingStorageType=accounting_storage/none\n\
             SelectType=select/cons_tres\nSelectTypeParameters=CR_Core\nReturnToService=2\nKillWait=2\n\
             SchedulerParameters=sched_interval=1,bf_interval=1\nGresTypes=gpu\n\
             NodeName={host} NodeAddr=127.0.0.1 CPUs=2 Gres=gpu:2 State=UNKNOWN\n\
             PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP\n",
            socket = socket.display(),
            state = at("state"),
            spool = at("spool"),
            home = home.display(),
        );
        fs::write(at("slurm.conf"), config).unwrap();
        let mut cluster = Self { home: home.to_owned(), daemons: Vec::new() };
        let files = [("key", "munge.key"), ("pid", "munged.pid"), ("log", "munged.log"), ("seed", "munge.seed")];
        let mut munged: Vec<String> = files.iter().map(|(flag, file)| format!("--{flag}-file={}", at(file))).collect();
        munged.extend(["--foreground".to_owned(), "--force".to_owned(), format!("--socket={}", socket.display())]);
        cluster.begin("munged", &munged);
        cluster.wait("munge answers", || socket.exists());
        cluster.begin("slurmctld", &["-D".to_owned(), "-c".to_owned()]);
        cluster.begin("slurmd", &["-D".to_owned()]);
        cluster.wait("the node is idle", || cluster.says("sinfo", &["--noheader", "--format=%T"]).out.trim() == "idle");
        cluster
    }

    fn begin(&mut self, name: &str, arguments: &[String]) {
        let log = fs::File::create(self.home.join(format!("{name}.out"))).unwrap();
        let mut command = Command::new(program(name).unwrap());
        command.args(arguments).env("SLURM_CONF", self.home.join("slurm.conf")).stdin(Stdio::null());
        self.daemons.push(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap());
    }

    /// A command in the home folder. `lastbit` and the programs of Slurm are on its PATH, and `$SCRATCH` is the folder `scratch`.
    fn command(&self, name: &str, arguments: &[&str]) -> Command {
        let own = Path::new(env!("CARGO_BIN_EXE_lastbit")).parent().unwrap().to_owned();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(std::iter::once(own).chain(std::env::split_paths(&path))).unwrap();
        let mut command = Command::new(name);
        command.args(arguments).current_dir(&self.home).env("PATH", path).env("SCRATCH", self.home.join("scratch"));
        command.env("SLURM_CONF", self.home.join("slurm.conf"));
        command
    }

    fn says(&self, name: &str, arguments: &[&str]) -> Ended {
        self.command(name, arguments).output().unwrap().into()
    }

    /// As [`Self::says`], and expects success.
    fn expects(&self, name: &str, arguments: &[&str]) -> String {
        let ended = self.says(name, arguments);
        assert_eq!(ended.code, Some(0), "{name} {arguments:?}: {ended:?}\n{}", self.logs());
        ended.out
    }

    fn wait(&self, what: &str, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(Instant::now() < deadline, "never: {what}\n{}", self.logs());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The state of a job, or of a task as `JOB_TASK`; empty when Slurm has forgotten it.
    fn state(&self, job: &str) -> String {
        let listed = self.says("squeue", &["--noheader", "--states=all", "--format=%T", "--jobs", job]).out;
        listed.lines().map(str::trim).collect::<Vec<_>>().join(" ")
    }

    /// Submits the page's scripts after `change`. Returns the jobs of the array and of the report.
    fn submit(&self, name: &str, change: impl Fn(&str) -> String) -> [String; 2] {
        let [script, submit] = documented().try_into().unwrap();
        let changed = |text: &str| {
            // Every line of the page names its GPU and the images.
            assert!(text.contains("--adapter NVIDIA --data-dir \"$SCRATCH/data\" --out"), "{text}");
            let small = text.replace("reproduce table1", EXPERIMENT).replace("--adapter NVIDIA", ADAPTER);
            change(&small.replace("--array=0-31", "--array=0-3").replace("table1", name))
        };
        assert!(script.contains("--array=0-31 "), "{script}");
        fs::write(self.home.join(format!("{name}.sh")), changed(&script)).unwrap();
        // The page's lines, then the number of the array; the last one prints that of the report's job.
        let printed = self.expects("sh", &["-c", &format!("{}\necho $id", changed(&submit).trim_end())]);
        let numbers: Vec<&str> = printed.split_whitespace().filter(|word| word.parse::<u32>().is_ok()).collect();
        let [report, array] = numbers[..] else { panic!("{printed}") };
        [array.to_owned(), report.to_owned()]
    }

    /// What a task has printed.
    fn log(&self, name: &str, task: u32) -> String {
        fs::read_to_string(self.home.join(format!("{name}-{task}.log"))).unwrap()
    }

    /// What the jobs and daemons have printed.
    fn logs(&self) -> String {
        let entries = fs::read_dir(&self.home).unwrap().map(|entry| entry.unwrap().path());
        let logs = entries.filter(|path| path.extension().is_some_and(|ending| ending == "log" || ending == "out"));
        let text = |path: PathBuf| {
            format!("== {}\n{}", path.display(), String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()))
        };
        logs.map(text).collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.says("scancel", &["--me", "--full"]);
        for daemon in self.daemons.iter_mut().rev() {
            let _ = Command::new("kill").arg(daemon.id().to_string()).status();
            let _ = daemon.wait();
        }
    }
}

#[test]
fn the_documented_scripts_end_as_the_whole_reproduction() {
    if PROGRAMS.iter().any(|name| program(name).is_none()) {
        return skip("the scripts for Slurm (install slurmctld, slurmd, slurm-client and munge)");
    }
    let home = scratch("slurm");
    let (whole, data) = (home.join("whole"), home.join("scratch/data"));
    let flags = [EXPERIMENT, ADAPTER].join(" ");
    let flags: Vec<&str> = flags.split_whitespace().collect();
    let ended = lastbit(&[&flags[..], &["--data-dir", text(&data), "--out", text(&whole)]].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");

    let cluster = Cluster::start(&home);
    let [array, report] = cluster.submit("small", str::to_owned);
    let folder = home.join("scratch/small");
    let run = |name: &str| folder.join("runs").join(name);
    // Slurm's notice before the time limit, as `--signal=USR1@90` sends it: to the task's step, not to its script.
    wait_for_step(&run("n2-seed1"), 3);
    cluster.expects("scancel", &["--signal=USR1", &format!("{array}_0")]);
    // A failed node or a preemption: the task is killed and queued again.
    wait_for_step(&run("n8-seed1"), 3);
    cluster.expects("scontrol", &["requeue", &format!("{array}_1")]);
    cluster.wait("the report's job has completed", || {
        let states = [cluster.state(&array), cluster.state(&report)].join(" ");
        assert!(
            !["FAILED", "CANCELLED", "TIMEOUT"].iter().any(|end| states.contains(end)),
            "{states}\n{}",
            cluster.logs()
        );
        cluster.state(&report) == "COMPLETED"
    });
    assert!(cluster.log("small", 0).contains("stopped: what is finished is kept"), "{}", cluster.logs());
    for task in [0, 1] {
        // Slurm may repeat a signal.
        let begun = cluster.log("small", task).matches(&format!("task {task} of 0 to 3")).count();
        assert!(begun >= 2, "begun once: {}", cluster.logs());
    }
    // The tasks have trained everything.
    let log = fs::read_to_string(home.join("small.log")).unwrap();
    assert!(log.contains("report: ") && !log.contains("run n"), "{log}");
    assert_equal_reproductions(&whole, &folder);

    // Images that are not there.
    let [array, report] = cluster.submit("failing", |text| {
        text.replace("--dataset synthetic", "--dataset cifar10").replace("--array=0-3", "--array=0-1")
    });
    cluster.wait("both tasks have failed", || cluster.state(&array) == "FAILED FAILED");
    cluster.wait("the report's job can never begin", || {
        cluster.says("squeue", &["--noheader", "--format=%T %R", "--jobs", &report]).out.trim()
            == "PENDING (DependencyNeverSatisfied)"
    });
    assert!(cluster.log("failing", 1).contains("--data-dir"), "{}", cluster.logs());
    assert!(!home.join("failing.log").exists(), "{}", cluster.logs());
}
