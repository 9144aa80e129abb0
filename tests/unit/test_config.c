#include "tests/unit/config_fixture.h"

#include <errno.h>

#include "base/log.h"

/* `triage:` has the limits of a target that says nothing of its own. */
static void
test_triage_limits_are_defaults_of_targets(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(load(fix, "triage:\n  timeout: 3s\n  memory: 512M\n"
                               "targets:\n  - name: a\n    builds: {release: /bin/true}\n"
                               "  - name: b\n    builds: {release: /bin/true}\n"
                               "    timeout: 25s\n"),
                     0);
    const struct target_list *targets = &fix->config->targets;
    assert_int_equal(target_list_find(targets, "a")->timeout_ms, 3000);
    assert_int_equal(target_list_find(targets, "a")->memory_bytes, 512 << 20);
    assert_int_equal(target_list_find(targets, "b")->timeout_ms, 25000);
    assert_int_equal(target_list_find(targets, "b")->memory_bytes, 512 << 20);
    assert_int_equal(load(fix, "triage:\n  timeout: 2h\n"), -EINVAL);
    assert_non_null(strstr(fix->err.msg, "timeout"));
    assert_int_equal(load(fix, "triage:\n  memory: 1M\n"), -EINVAL);
    assert_non_null(strstr(fix->err.msg, "memory"));
}

static void
test_severity_rules_are_read_in_their_order(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(load(fix, "severity:\n"
                               "  - target: x$\n    type: Timeout\n    severity: info\n"
                               "    reason: slow is no bug here\n"
                               "  - file: .*/third_party/\n    severity: low\n"
                               "    reason: sandboxed\n"
                               "triage:\n  examples: 8\n"),
                     0);
    const struct config_rules *rules = &fix->config->severity;
    assert_int_equal(rules->n, 2);
    assert_string_equal(rules->v[0].target, "x$");
    assert_string_equal(rules->v[0].crash_type, "Timeout");
    assert_null(rules->v[0].function);
    assert_string_equal(rules->v[0].origin, "nightjar.yaml:2");
    assert_string_equal(rules->v[1].file, ".*/third_party/");
    assert_string_equal(rules->v[1].severity, "low");
    assert_string_equal(rules->v[1].reason, "sandboxed");
    assert_string_equal(rules->v[1].origin, "nightjar.yaml:6");
    assert_int_equal(fix->config->triage.examples, 8);
}

static void
test_gate_policy_is_read_with_its_waivers(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(
        load(fix, "gate:\n  fail_on: {new: medium, regressed: never}\n"
                  "  min_repro: 5/10\n  kinds: {timeout: fail, leak: report}\n"
                  "  control: {min_productive_ratio: 0.5, min_execs: 7}\n"
                  "  budget: {on_exhausted: freeze}\n  trust: untrusted\n"
                  "  waivers:\n    - {bug: NJ-12, owner: ana, reason: soon gone,\n"
                  "       expires: 2020-02-29, max_severity: medium}\n"),
        0);
    const struct gate_policy *gate = &fix->config->gate;
    assert_int_equal(gate->fail_on, SEVERITY_MEDIUM);
    assert_int_equal(gate->fail_on_regressed, GATE_NEVER);
    assert_int_equal(gate->min_k, 5);
    assert_int_equal(gate->min_n, 10);
    assert_true(gate->timeout && !gate->oom && !gate->leak);
    assert_true(gate->min_productive > 0.49 && gate->min_productive < 0.51);
    assert_int_equal(gate->min_execs, 7);
    assert_true(gate->freeze && gate->untrusted);
    assert_int_equal(gate->waivers.n, 1);
    assert_int_equal(gate->waivers.v[0].bug, 12);
    assert_string_equal(gate->waivers.v[0].owner, "ana");
    assert_string_equal(gate->waivers.v[0].origin, "nightjar.yaml:9");
    assert_int_equal(gate->waivers.v[0].max_severity, SEVERITY_MEDIUM);
    assert_int_equal(gate->waivers.v[0].expires, INT64_C(1583020800000));
}

static void
test_tokens_to_override_with_are_hashes_of_owners(void **state)
{
    struct fixture *fix = *state;
#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

    assert_int_equal(load(fix, "gate:\n  budget:\n    override_tokens:\n"
                               "      - {owner: ana, sha256: '" HASH "'}\n"),
                     0);
    assert_int_equal(fix->config->gate.tokens.n, 1);
    assert_string_equal(fix->config->gate.tokens.v[0].owner, "ana");
    assert_string_equal(fix->config->gate.tokens.v[0].sha256, HASH);
    config_free(fix->config);
    fix->config = NULL;
    assert_int_equal(load(fix, "gate:\n  budget:\n    override_tokens:\n"
                               "      - {owner: ana, sha256: secret-itself}\n"),
                     -EINVAL);
    assert_non_null(strstr(fix->err.msg, "sha256: wanted 64 hexadecimal digits"));
    assert_int_equal(load(fix, "gate:\n  budget:\n    override_tokens:\n"
                               "      - {sha256: '" HASH "'}\n"),
                     -EINVAL);
    assert_non_null(strstr(fix->err.msg, "a token needs owner: and sha256:"));
}

static void
test_no_file_gives_defaults(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(config_load(NULL, &fix->config, &fix->err), 0);
    const struct config *c = fix->config;
    assert_null(c->path);
    assert_null(c->state);
    assert_int_equal(c->sandbox, SANDBOX_AUTO);
    assert_true(c->jobs >= 1);
    assert_int_equal(c->targets.n, 0);
    assert_int_equal(c->triage.jobs, 0);
    assert_int_equal(c->triage.runs, 10);
    assert_int_equal(c->triage.minimize_ms, 20000);
    assert_true(c->triage.ooms_and_hangs);
    assert_true(c->triage.asserts_are_security);
    assert_false(c->triage.checks_are_security);
    assert_int_equal(c->gate.fail_on, SEVERITY_HIGH);
    assert_null(c->metrics[0]);
}

static void
test_empty_files_give_defaults_too(void **state)
{
    static const char *const texts[] = {"",      "\n",  "# only a comment\n",
                                        "---\n", "~\n", "{}\n"};
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT(texts); i++) {
        assert_int_equal(load(fix, texts[i]), 0);
        assert_string_equal(fix->config->path, "nightjar.yaml");
        assert_int_equal(fix->config->triage.runs, 10);
    }
}

static void
test_a_named_file_must_be_there(void **state)
{
    struct fixture *fix = *state;

    assert_int_equal(config_load("other.yaml", &fix->config, &fix->err), -EINVAL);
    assert_string_equal(fix->err.msg,
                        "there is no 'other.yaml': `nightjar init DIR` writes one");
    assert_int_equal(config_load("/dev", &fix->config, &fix->err), -EINVAL);
    assert_string_equal(fix->err.msg, "'/dev' is not a regular file");
}

static void
test_every_setting_is_read(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *state_folder = fs_join(fix->root, "db");

    assert_int_equal(load(fix, "state: db\n"
                               "sandbox: landlock\n"
                               "jobs: 7\n"
                               "triage:\n"
                               "  jobs: 2\n"
                               "  runs: 5\n"
                               "  minimize: 1m\n"
                               "  ooms_and_hangs: no\n"
                               "  asserts_are_security: false\n"
                               "  checks_are_security: true\n"
                               "gate: {fail_on: medium}\n"
                               "builds: {watch: [later], keep: 7, max: 1G}\n"
                               "owners: {file: nightjar.yaml, roots: [/src/a, b]}\n"
                               "metrics: {pushgateway: 'http://localhost:9091',"
                               " textfile: n.prom}\n"),
                     0);
    const struct config *c = fix->config;
    assert_string_equal(c->state, state_folder);
    assert_int_equal(c->sandbox, SANDBOX_LANDLOCK);
    assert_int_equal(c->jobs, 7);
    assert_int_equal(c->triage.jobs, 2);
    assert_int_equal(c->triage.runs, 5);
    assert_int_equal(c->triage.minimize_ms, 60000);
    assert_false(c->triage.ooms_and_hangs);
    assert_false(c->triage.asserts_are_security);
    assert_true(c->triage.checks_are_security);
    assert_int_equal(c->gate.fail_on, SEVERITY_MEDIUM);
    AUTO(mem_free) char *watched = fs_join(fix->root, "later");
    assert_string_equal(c->builds.watch.v[0], watched);
    assert_int_equal(c->builds.keep, 7);
    assert_int_equal(c->builds.max_bytes, 1 << 30);
    assert_string_equal(fs_base(c->owners.file), "nightjar.yaml");
    assert_string_equal(c->owners.roots.v[0], "/src/a");
    assert_int_equal(c->owners.roots.n, 2);
    AUTO(mem_free) char *textfile = fs_join(fix->root, "n.prom");
    for (size_t i = 0; i < SINKS_MAX; i++) {
        const char *name = sink_at(i) == NULL ? "" : sink_at(i)->name;
        if (strcmp(name, "pushgateway") == 0) {
            assert_string_equal(c->metrics[i], "http://localhost:9091");
        } else if (strcmp(name, "textfile") == 0) {
            assert_string_equal(c->metrics[i], textfile);
        } else {
            assert_null(c->metrics[i]);
        }
    }
}

static void
test_every_setting_of_a_target_is_read(void **state)
{
    struct fixture *fix = *state;

    put_program(fix, "afl", "bin/tool");
    put_program(fix, "sanitizer", "bin/tool-asan");
    put(fix, "words", "x");
    assert_int_equal(load(fix,
                          "targets:\n"
                          "  - name: tool\n"
                          "    builds: {afl: bin/tool, sanitizer: bin/tool-asan}\n"
                          "    args: [-a, \"@@\", '', \"two words\"]\n"
                          "    seeds: [words, bin]\n"
                          "    read: bin\n"
                          "    dictionary: words\n"
                          "    env: {ASAN_OPTIONS: detect_leaks=0, N: 5, EMPTY: ''}\n"
                          "    libfuzzer: {max_len: 64}\n"
                          "    timeout: 5s\n"
                          "    memory: 1G\n"
                          "    ignore_frames: ['^my_(assert|panic)$']\n"
                          "    package: tool\n"
                          "    license: MIT\n"
                          "    origin: \"here\"\n"),
                     0);
    assert_int_equal(fix->config->targets.n, 1);
    const struct target *t = fix->config->targets.v[0];
    AUTO(mem_free) char *program = fs_join(fix->root, "bin/tool");
    AUTO(mem_free) char *words = fs_join(fix->root, "words");
    assert_string_equal(t->name, "tool");
    assert_string_equal(t->builds[BUILD_AFL], program);
    assert_non_null(t->builds[BUILD_SANITIZER]);
    assert_int_equal(t->args.n, 4);
    assert_string_equal(t->args.v[2], "");
    assert_string_equal(t->args.v[3], "two words");
    assert_int_equal(t->seeds.n, 2);
    assert_string_equal(t->seeds.v[0], words);
    assert_int_equal(t->read.n, 1);
    assert_string_equal(t->dictionary, words);
    assert_int_equal(t->env.n, 3);
    assert_string_equal(t->env.v[0], "ASAN_OPTIONS=detect_leaks=0");
    assert_string_equal(t->env.v[1], "N=5");
    assert_string_equal(t->env.v[2], "EMPTY=");
    assert_string_equal(t->libfuzzer.v[0], "-max_len=64");
    assert_int_equal(t->timeout_ms, 5000);
    assert_int_equal(t->memory_bytes, 1 << 30);
    assert_string_equal(t->ignore_frames.v[0], "^my_(assert|panic)$");
    assert_false(t->in_process);
}

static const struct {
    const char *text, *want;
} refused[] = {
    {"jobs: 1\n\ntargets:\n  - name: x\n    tiemout: 5s\n",
     "5:5: unknown key 'tiemout' (did you mean 'timeout'?)"},
    {"colour: red\n",
     "1:1: unknown key 'colour': there are state, sandbox, jobs, out, targets, "
     "triage, builds, owners, retention, exchange, import, disk, severity, gate, slo, "
     "metrics, notify"},
    {"triage:\n  job: 1\n", "2:3: unknown key 'job' (did you mean 'jobs'?)"},
    {"jobs: 1\njobs: 2\n", "2:1: key 'jobs' stands twice, first in line 1"},
    {"severity:\n  - function: '('\n    severity: low\n    reason: x\n",
     "2:15: function: '(' is no pattern: missing closing parenthesis at its "
     "character "
     "2"},
    {"severity:\n  - function: f\n    severity: bad\n    reason: x\n",
     "2:5: severity: 'bad' is no severity: critical, high, medium, low or info"},
    {"severity:\n  - function: f\n    severity: low\n",
     "2:5: severity: a rule needs severity: and reason:"},
    {"severity:\n  - severity: low\n    reason: x\n",
     "2:5: severity: a rule needs one of target: type: function: file:, else it "
     "would "
     "decide every bug"},
    {"severity: low\n", "1:11: severity: wanted a list of rules, not the value 'low'"},
    {"jobs: many\n", "1:7: jobs 'many' is not a number from 1 to 1024"},
    {"jobs: 0\n", "1:7: jobs '0' is not a number from 1 to 1024"},
    {"jobs: 1025\n", "1:7: jobs '1025' is not a number from 1 to 1024"},
    {"jobs: 99999999999999999999\n",
     "1:7: jobs '99999999999999999999' is not a number from 1 to 1024"},
    {"jobs: '4'\n", "1:7: jobs: wanted a number, not the value '4' in quotes"},
    {"jobs: [4]\n", "1:7: jobs: wanted a number, not a list"},
    {"jobs:\n", "1:6: jobs: wanted a number, not nothing"},
    {"state: {}\n", "1:8: state: wanted a value, not a map"},
    {"state: ''\n", "1:8: state: empty"},
    {"triage: yes\n", "1:9: triage: wanted a map (key: value), not the value 'yes'"},
    {"triage: {minimize: soon}\n",
     "1:20: minimize: 'soon' is not a duration: write 90s, 10m or 8h"},
    {"triage: {minimize: 25h}\n", "1:20: minimize: '25h' is not from 0 ms to 1 d"},
    {"triage: {ooms_and_hangs: maybe}\n",
     "1:26: ooms_and_hangs: wanted yes or no, not the value 'maybe'"},
    {"gate: {min_repro: 11/10}\n",
     "1:19: min_repro: wanted so many of so many runs, like 3/10"},
    {"gate: {control: {min_productive_ratio: 1.5}}\n",
     "1:40: min_productive_ratio: wanted a share from 0 to 1, like 0.9"},
    {"gate: {kinds: {oom: ignore}}\n", "1:21: oom: wanted 'report' or 'fail'"},
    {"gate: {waivers: [{owner: a, reason: b, expires: 2020-01-01}]}\n",
     "1:18: waivers: a waiver names a bug: or a signature:"},
    {"gate: {waivers: [{bug: NJ-1, reason: b, expires: 2020-01-01}]}\n",
     "1:18: waivers: a waiver needs owner:, reason: and expires:"},
    {"gate: {waivers: [{bug: NJ-1, owner: a, reason: b, expires: 2020-04-31}]}\n",
     "1:60: expires: wanted a day like 2027-01-31"},
    {"gate: {waivers: [{bug: NJ-1, owner: a, reason: b, expires: 9020-01-01}]}\n",
     "1:18: waivers: expires: at most 90 days from now"},
    {"metrics: {pushgateway: localhost:9091}\n",
     "1:24: pushgateway: 'localhost:9091' is no URL such as http://localhost:9091"},
    {"slo: {deadline: {crtical: 7d}}\n",
     "1:18: unknown key 'crtical' (did you mean 'critical'?)"},
    {"slo: {services: [{name: a}]}\n",
     "1:18: services: an entry needs name: and targets:, such as {name: images, targets: "
     "[png*, jpeg]}"},
    {"slo: {services: [{name: a, targets: [b]}, {name: a, targets: [c]}]}\n",
     "1:43: services: 'a' stands twice"},
    {"slo: {services: [{name: other, targets: [b]}]}\n",
     "1:18: services: 'other': a name is letters, digits, '-', '_', '.'; 'other' is what "
     "is in none"},
    {"slo: {services: {a: b}}\n", "1:17: services: wanted a list, not a map"},
    {"slo: {tolerated: {high: -1}}\n", "1:25: high '-1' is not a number from 0 to 10000"},
    {"notify: [{kind: slack, url: 'http://a'}]\n",
     "1:10: notify: an entry needs name:, kind: and url: (or url_env:, where the URL is "
     "a secret)"},
    {"notify: [{name: a, kind: mail, url: 'http://a'}]\n",
     "1:26: kind: there is no 'mail', only webhook, slack, github, gitlab, "
     "jira"},
    {"notify: [{name: a/b, kind: slack, url_env: A}]\n",
     "1:10: notify: 'a/b': a name is letters, digits, '-', '_', '.'"},
    {"notify: [{name: a, kind: slack, url_env: A}, {name: a, kind: slack, url_env: B}]\n",
     "1:46: notify: 'a' stands twice"},
    {"notify: {name: a}\n", "1:9: notify: wanted a list, not a map"},
    {"metrics: {otpl: 'http://localhost:4318'}\n",
     "1:11: unknown key 'otpl' (did you mean 'otlp'?)"},
    {"metrics: {pushgateway: 'http://a b'}\n",
     "1:24: pushgateway: 'http://a b' is no URL such as http://localhost:9091"},
    {"out: none\n", "1:6: out: there is no folder '/ROOT/none': build the targets first"},
    {"out:\n  - a\n  - [b]\n", "3:5: out: wanted a value, not a list"},
    {"targets: x\n", "1:10: targets: wanted a list, not the value 'x'"},
    {"targets: [x]\n",
     "1:11: targets: wanted an entry such as {name: foo}, not the value 'x'"},
    {"targets: [{args: []}]\n", "1:11: targets: an entry without name:"},
    {"targets: [{name: ../x}]\n", "1:18: name '../x': use letters, digits and _-.@, "
                                  "and begin with a letter, a digit or _@"},
    {"targets: [{name: x}, {name: x}]\n", "1:22: target 'x' stands twice"},
    {"targets: [{name: x}]\n", "1:11: target 'x' has no build: give binary: or "
                               "builds:, or an out: folder that holds a "
                               "program of this name"},
    {"targets: [{name: x, binary: nowhere}]\n",
     "1:29: binary: there is no 'nowhere' (looked for /ROOT/nowhere)"},
    {"targets: [{name: x, args: -a @@}]\n",
     "1:27: args: wanted a list such as [-a, \"@@\"], not the value '-a @@'"},
    {"targets: [{name: x, seeds: [gone]}]\n",
     "1:29: seeds: there is no 'gone' (looked for /ROOT/gone)"},
    {"targets: [{name: x, dictionary: /tmp}]\n",
     "1:33: dictionary: '/tmp' is a folder, not a file"},
    {"targets: [{name: x, timeout: 5ms}]\n",
     "1:30: timeout: '5ms' is not from 10 ms to 1 h"},
    {"targets: [{name: x, memory: 1M}]\n",
     "1:29: memory: '1M' is neither 0 (no limit) nor from 16.0 MiB to 16.0 TiB"},
    {"targets: [{name: x, env: [A=1]}]\n",
     "1:26: env: wanted a map {NAME: value}, not a list"},
    {"targets: [{name: x, env: {1A: x}}]\n", "1:27: env: '1A' is no name of a variable"},
    {"targets: [{name: x, libfuzzer: {jobs: 4}}]\n",
     "1:33: libfuzzer: nightjar sets 'jobs' itself"},
    {"targets: [{name: x, libfuzzer: {-runs: 4}}]\n",
     "1:33: libfuzzer: '-runs' is no flag: write max_len: 4096"},
    {"targets: [{name: x, ignore_frames: ['a(']}]\n",
     "1:37: ignore_frames: 'a(' is no pattern: missing closing parenthesis at its "
     "character 3"},
};

static void
test_errors_name_file_line_column_and_cure(void **state)
{
    struct fixture *fix = *state;

    for (size_t i = 0; i < COUNT(refused); i++) {
        AUTO(buf_clear) struct buf want = BUF_INIT;
        const char *hole = strstr(refused[i].want, "/ROOT");
        buf_addf(&want, "nightjar.yaml:%.*s",
                 hole == NULL ? 10000 : (int)(hole - refused[i].want), refused[i].want);
        if (hole != NULL) {
            buf_addf(&want, "%s%s", fix->root, hole + strlen("/ROOT"));
        }
        assert_refused(fix, refused[i].text, buf_str(&want));
    }
}

/* The words of other modules stand behind the place. */
static void
test_errors_of_other_modules_get_a_place(void **state)
{
    struct fixture *fix = *state;
    enum sandbox_rung rung;
    enum severity severity;

    assert_int_equal(sandbox_rung_parse("jail", &rung, &fix->err), -EINVAL);
    AUTO(mem_free)
    char *sandbox = mem_printf("nightjar.yaml:1:10: sandbox: %s", fix->err.msg);
    assert_refused(fix, "sandbox: jail\n", sandbox);
    assert_int_equal(severity_parse("worst", &severity, &fix->err), -EINVAL);
    AUTO(mem_free)
    char *fail_on = mem_printf("nightjar.yaml:1:17: fail_on: %s", fix->err.msg);
    assert_refused(fix, "gate: {fail_on: worst}\n", fail_on);
}

static void
test_messages_show_no_raw_bytes(void **state)
{
    struct fixture *fix = *state;

    assert_refused(
        fix, "\"a\\e[2J\\n\": 1\n",
        "nightjar.yaml:1:1: unknown key 'a[2J\n': there are state, sandbox, jobs, out, "
        "targets, triage, builds, owners, retention, exchange, import, disk, severity, "
        "gate, slo, metrics, "
        "notify");
}

static void
test_builds_must_be_what_they_are_named(void **state)
{
    struct fixture *fix = *state;

    put_program(fix, "afl", "afl");
    put_program(fix, "plain", "plain");
    AUTO(mem_free)
    char *kind = mem_printf(
        "nightjar.yaml:1:41: libfuzzer: '%s/afl' is a build of kind afl", fix->root);
    assert_refused(fix, "targets: [{name: x, builds: {libfuzzer: afl}}]\n", kind);
    AUTO(mem_free)
    char *plain = mem_printf(
        "nightjar.yaml:1:29: binary: '%s/plain': it has neither AFL++, libFuzzer, a "
        "sanitizer nor coverage in it",
        fix->root);
    assert_refused(fix, "targets: [{name: x, binary: plain}]\n", plain);
    assert_refused(
        fix, "targets: [{name: x, builds: {address: afl}}]\n",
        "nightjar.yaml:1:30: unknown key 'address': there are afl, cmplog, sanitizer, "
        "libfuzzer, coverage, release");
    AUTO(mem_free)
    char *shipped = mem_printf(
        "nightjar.yaml:1:39: release: '%s/afl' is a build of kind afl", fix->root);
    assert_refused(fix, "targets: [{name: x, builds: {release: afl}}]\n", shipped);
}

static void
test_what_is_shipped_is_a_plain_program(void **state)
{
    struct fixture *fix = *state;

    put_program(fix, "afl", "afl");
    put_program(fix, "plain", "plain");
    assert_int_equal(
        load(fix, "targets: [{name: x, builds: {afl: afl, release: plain}}]\n"), 0);
    const struct target *target = target_list_find(&fix->config->targets, "x");
    assert_true(str_ends(target->builds[BUILD_RELEASE], "/plain"));
}

static void
test_entries_and_folders_are_merged(void **state)
{
    struct fixture *fix = *state;

    put_program(fix, "libfuzzer", "out/libfuzzer/inside");
    put_program(fix, "afl", "out/afl/tool");
    put_program(fix, "cmplog", "out/cmplog/tool");
    put_program(fix, "sanitizer", "other/tool");
    put(fix, "out/afl/tool.yaml",
        "args: ['@@']\ntimeout: 2s\nenv: {A: 1, ASAN_OPTIONS: a=1}\n");
    assert_int_equal(load(fix, "out: out\n"
                               "targets:\n"
                               "  - name: tool\n"
                               "    binary: other/tool\n"
                               "    args: [-x, '@@']\n"
                               "    env: {A: 2, ASAN_OPTIONS: b=2}\n"),
                     0);
    assert_int_equal(fix->config->targets.n, 2);
    const struct target *tool = target_list_find(&fix->config->targets, "tool");
    const struct target *inside = target_list_find(&fix->config->targets, "inside");
    assert_non_null(tool->builds[BUILD_AFL]);
    assert_non_null(tool->builds[BUILD_CMPLOG]);
    assert_true(str_ends(tool->builds[BUILD_SANITIZER], "/other/tool"));
    assert_string_equal(tool->args.v[0], "-x");
    assert_int_equal(tool->timeout_ms, 2000);
    assert_string_equal(tool->env.v[0], "A=2");
    assert_string_equal(tool->env.v[1], "ASAN_OPTIONS=a=1:b=2");
    assert_true(inside->in_process);
}

static void
test_folder_without_targets_is_an_error_at_its_place(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free)
    char *want = mem_printf("nightjar.yaml:3:5: out: no fuzz target below '%s/b' (0 "
                            "files, 0 programs)",
                            fix->root);

    put_program(fix, "libfuzzer", "a/x");
    assert_int_equal(mkdir("b", 0755), 0);
    assert_refused(fix, "out:\n  - a\n  - b\n", want);
}

static void
test_settings_need_no_files(void **state)
{
    struct fixture *fix = *state;

    put(fix, "nightjar.yaml",
        "out: nowhere\n"
        "gate: {fail_on: low}\n"
        "targets: [{name: x, seeds: [gone], dictionary: gone}]\n");
    assert_int_equal(config_load_settings(NULL, &fix->config, &fix->err), 0);
    assert_int_equal(fix->config->gate.fail_on, SEVERITY_LOW);
    assert_int_equal(fix->config->targets.n, 0);
    config_free(STEAL(fix->config));
    put(fix, "nightjar.yaml", "targets: [{name: x, sedes: [gone]}]\n");
    assert_int_equal(config_load_settings(NULL, &fix->config, &fix->err), -EINVAL);
    assert_string_equal(
        fix->err.msg, "nightjar.yaml:1:21: unknown key 'sedes' (did you mean 'seeds'?)");
}

static void
test_paths_are_relative_to_the_file(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free) char *want = fs_join(fix->root, "sub/db");

    assert_int_equal(mkdir("sub", 0755), 0);
    put(fix, "sub/my.yaml", "state: x/../db\n");
    assert_int_equal(config_load("sub/my.yaml", &fix->config, &fix->err), 0);
    assert_string_equal(fix->config->state, want);
    assert_string_equal(fix->config->path, "sub/my.yaml");
}

static void
test_target_yaml_must_name_its_program(void **state)
{
    struct fixture *fix = *state;
    AUTO(target_list_clear) struct target_list list = {0};
    struct target *target = target_list_add(&list, "tool");

    put(fix, "tool.yaml", "name: other\n");
    assert_int_equal(config_load_target("tool.yaml", target, &fix->err), -EINVAL);
    assert_string_equal(
        fix->err.msg,
        "tool.yaml:1:7: name 'other' is not that of the program beside it, 'tool'");
    put(fix, "tool.yaml",
        "name: tool\npackage: tool\nlicense: MIT\norigin: here\nargs: []\n");
    assert_int_equal(config_load_target("tool.yaml", target, &fix->err), 0);
}

static void
test_the_example_is_valid(void **state)
{
    struct fixture *fix = *state;
    AUTO(mem_free)
    char *path = fs_join(fix->before, "orchestrator/nightjar.yaml.example");
    int rc = config_load_settings(path, &fix->config, &fix->err);

    assert_string_equal(fix->err.msg, "");
    assert_int_equal(rc, 0);
    assert_string_equal(fix->config->metrics[0], "http://localhost:9091");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_triage_limits_are_defaults_of_targets),
        TEST(test_severity_rules_are_read_in_their_order),
        TEST(test_gate_policy_is_read_with_its_waivers),
        TEST(test_tokens_to_override_with_are_hashes_of_owners),
        TEST(test_no_file_gives_defaults),
        TEST(test_empty_files_give_defaults_too),
        TEST(test_a_named_file_must_be_there),
        TEST(test_every_setting_is_read),
        TEST(test_every_setting_of_a_target_is_read),
        TEST(test_errors_name_file_line_column_and_cure),
        TEST(test_errors_of_other_modules_get_a_place),
        TEST(test_messages_show_no_raw_bytes),
        TEST(test_builds_must_be_what_they_are_named),
        TEST(test_what_is_shipped_is_a_plain_program),
        TEST(test_entries_and_folders_are_merged),
        TEST(test_folder_without_targets_is_an_error_at_its_place),
        TEST(test_settings_need_no_files),
        TEST(test_paths_are_relative_to_the_file),
        TEST(test_target_yaml_must_name_its_program),
        TEST(test_the_example_is_valid),
    };

    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests_name("config", tests, build_kit, remove_kit);
}
