#include "bench/probes/subject.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/check.h"
#include "bench/probes/scraper.h"
#include "bench/probes/site.h"

namespace pointsman::bench {
namespace {

std::string find_program(const std::vector<std::string>& candidates) {
  for (const auto& path : candidates) {
    if (access(path.c_str(), X_OK) == 0) return path;
  }
  return "";
}

std::string write_temporary(const std::string& name, const std::string& text) {
  const std::string path = "/tmp/pm-bench-" + std::to_string(getpid()) + "-" + name;
  std::ofstream(path) << text;
  return path;
}

bool black_holed(const Task& task, int index) {
  return task.black_holed > 0 && index % (task.targets / task.black_holed) == 0;
}

std::string place(const Task& task, int index) {
  const bool black = black_holed(task, index);
  return address_of(index, black) + ":" + std::to_string(black ? task.black_port : task.port);
}

class Pointsman final : public Subject {
 public:
  explicit Pointsman(const Task& task) {
    spawn({"/proc/self/exe", "--engine", std::to_string(task.targets), std::to_string(task.port),
           std::to_string(task.black_holed), std::to_string(task.black_port)},
          true);
  }
  std::string account() override {
    char line[512];
    if (write(to_, "?", 1) != 1) return "";
    const auto got = read(from_, line, sizeof line);
    return got > 0 ? std::string(line, static_cast<std::size_t>(got)) : "";
  }
};

class Haproxy final : public Subject {
 public:
  Haproxy(const Task& task, const std::string& program) {
    const std::string base = "/tmp/pm-bench-" + std::to_string(getpid());
    std::string text =
        "global\n  nbthread 1\n  maxconn 100\n"
        "defaults\n  mode http\n  timeout connect 1s\n  timeout client 5s\n"
        "  timeout server 1s\n  timeout check 1s\n"
        "frontend none\n  bind unix@" +
        base +
        ".sock\n  default_backend all\n"
        "backend all\n  option httpchk\n"
        "  http-check send meth GET uri /health ver HTTP/1.1 hdr Host api.example.test\n"
        "  http-check expect status 200\n";
    for (int i = 0; i < task.targets; ++i) {
      text += "  server s" + std::to_string(i) + " " + place(task, i) + " check inter 1s\n";
    }
    path_ = write_temporary("haproxy.cfg", text);
    socket_ = base + ".sock";
    spawn({program, "-db", "-q", "-f", path_});
  }
  ~Haproxy() override {
    unlink(path_.c_str());
    unlink(socket_.c_str());
  }

 private:
  std::string path_;
  std::string socket_;
};

int free_port() {
  const AllTargets probe;
  return probe.port();
}

class Blackbox final : public Subject {
 public:
  Blackbox(const Task& task, const std::string& program) {
    path_ = write_temporary("blackbox.yml",
                            "modules:\n  http:\n    prober: http\n    timeout: 1s\n    http:\n"
                            "      preferred_ip_protocol: ip4\n      follow_redirects: false\n"
                            "      valid_status_codes: [200]\n");
    const int port = free_port();
    spawn({program, "--config.file=" + path_, "--log.level=error",
           "--web.listen-address=127.0.0.1:" + std::to_string(port)});
    std::vector<std::string> places;
    for (int i = 0; i < task.targets; ++i) places.push_back(place(task, i));
    scraper_ = std::make_unique<Scraper>(port, std::move(places));
  }
  ~Blackbox() override {
    scraper_.reset();
    unlink(path_.c_str());
  }
  std::string account() override { return scraper_->account(); }

 private:
  std::string path_;
  std::unique_ptr<Scraper> scraper_;
};

}  // namespace

Use use_of(pid_t pid) {
  Use use;
  const std::filesystem::path folder = "/proc/" + std::to_string(pid);
  std::error_code ignored;
  for (const auto& task : std::filesystem::directory_iterator(folder / "task", ignored)) {
    double run_ns = 0;
    std::ifstream(task.path() / "schedstat") >> run_ns;
    use.cpu_us += run_ns / 1000;
  }
  std::ifstream status(folder / "status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:")) use.memory_kb = std::atof(line.c_str() + 8);
  }
  return use;
}

Subject::~Subject() { end(); }

void Subject::end() {
  if (pid_ < 0) return;
  if (to_ >= 0) close(to_);
  if (from_ >= 0) close(from_);
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void Subject::spawn(const std::vector<std::string>& argv, bool talk) {
  int down[2] = {-1, -1};
  int up[2] = {-1, -1};
  if (talk) CHECK(pipe2(down, O_CLOEXEC) == 0 && pipe2(up, O_CLOEXEC) == 0);
  std::vector<char*> raw;
  for (const auto& word : argv) raw.push_back(const_cast<char*>(word.c_str()));
  raw.push_back(nullptr);
  pid_ = fork();
  CHECK(pid_ >= 0);
  if (pid_ == 0) {
    if (talk) dup2(down[0], 0), dup2(up[1], 1);
    execv(raw[0], raw.data());
    _exit(127);
  }
  if (!talk) return;
  close(down[0]);
  close(up[1]);
  to_ = down[1];
  from_ = up[0];
}

std::unique_ptr<Subject> start_pointsman(const Task& task) {
  return std::make_unique<Pointsman>(task);
}

std::unique_ptr<Subject> start_haproxy(const Task& task) {
  const auto program = find_program({"/usr/sbin/haproxy", "/usr/local/sbin/haproxy"});
  if (program.empty()) return nullptr;
  return std::make_unique<Haproxy>(task, program);
}

std::unique_ptr<Subject> start_blackbox(const Task& task) {
  const auto program =
      find_program({"/usr/bin/prometheus-blackbox-exporter", "/usr/bin/blackbox_exporter",
                    "/usr/local/bin/blackbox_exporter"});
  if (program.empty()) return nullptr;
  return std::make_unique<Blackbox>(task, program);
}

}  // namespace pointsman::bench
