/* SPDX-License-Identifier: Apache-2.0
 * gbench.cc - the C++ side of gbench.h, the only C++ in weft's own code.
 *
 * Google Benchmark appends how it measures to each name ("yield/manual_time"), and matches filters
 * against that. Row names are part of weft's interface, so this file filters and lists rows itself and
 * takes the suffixes off before a reporter sees them. */
#include "bench/gbench.h"

#include <benchmark/benchmark.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <regex>
#include <string>
#include <vector>

struct bench {
    std::map<std::string, double> counters;
    std::string failure;
};

namespace
{

std::vector<const bench_row *> rows;
bool any_failed;

/* $WEFT_BENCH_ITERATIONS, 0 when it isn't set. */
int64_t iterations_wanted()
{
    const char *value = std::getenv("WEFT_BENCH_ITERATIONS");
    return value ? std::atoll(value) : 0;
}

/* Timed calls come with growing iteration counts; only the first needs a warm-up. */
void run_row(const bench_row *row, bool *warm, benchmark::State &state)
{
    bench run;
    if (!*warm && row->warmup > 0 && !iterations_wanted()) {
        row->body(&run, row->warmup);
    }
    *warm = true;
    run.counters.clear();

    const int64_t iterations = static_cast<int64_t>(state.max_iterations);
    int64_t elapsed_ns = 0;
    while (state.KeepRunningBatch(state.max_iterations)) { /* once */
        if (run.failure.empty()) {
            elapsed_ns = row->body(&run, iterations);
        }
        if (run.failure.empty() && elapsed_ns < 0) {
            run.failure = "negative time";
        }
        if (!run.failure.empty()) {
            any_failed = true;
            state.SkipWithError(run.failure.c_str());
            return;
        }
        state.SetIterationTime(static_cast<double>(elapsed_ns) * 1e-9);
    }

    const int64_t ops = row->ops > 0 ? row->ops : 1;
    run.counters.emplace("ns_per_op",
                         static_cast<double>(elapsed_ns) /
                             (static_cast<double>(iterations) * static_cast<double>(ops)));
    for (const auto &counter : run.counters) {
        state.counters[counter.first] = counter.second;
    }
}

void register_row(const bench_row *row)
{
    auto warm = std::make_shared<bool>(false);
    auto *registered = benchmark::RegisterBenchmark(
        row->name, [row, warm](benchmark::State &state) { run_row(row, warm.get(), state); });
    registered->UseManualTime()->Unit(benchmark::kNanosecond);
    const int64_t wanted = iterations_wanted();
    if (wanted > 0 || row->iterations > 0) {
        registered->Iterations(wanted > 0 ? wanted : row->iterations);
    }
}

/* Passes results on to another reporter under the rows' own names. */
class plain_names : public benchmark::BenchmarkReporter
{
  public:
    explicit plain_names(benchmark::BenchmarkReporter *inner) : inner_(inner) {}

    bool ReportContext(const Context &context) override
    {
        inner_->SetOutputStream(&GetOutputStream());
        inner_->SetErrorStream(&GetErrorStream());
        return inner_->ReportContext(context);
    }

    void ReportRuns(const std::vector<Run> &report) override
    {
        std::vector<Run> renamed = report;
        for (Run &run : renamed) {
            const std::string row = run.run_name.function_name;
            run.run_name = benchmark::BenchmarkName();
            run.run_name.function_name = row;
        }
        inner_->ReportRuns(renamed);
    }

    void Finalize() override { inner_->Finalize(); }

  private:
    std::unique_ptr<benchmark::BenchmarkReporter> inner_;
};

/* The value of the last --flag=value or --flag ("true") among the arguments, "" when absent. */
std::string flag_value(int argc, char **argv, const std::string &flag)
{
    std::string value;
    for (int i = 1; i < argc; i++) {
        const std::string argument = argv[i];
        if (argument == flag) {
            value = "true";
        } else if (argument.compare(0, flag.size() + 1, flag + "=") == 0) {
            value = argument.substr(flag.size() + 1);
        }
    }
    return value;
}

/* The rows that a filter of Google Benchmark's kind selects: "" and "all" are all, "-x" is all but x. */
bool select_rows(std::string filter, std::vector<const bench_row *> *selected)
{
    const bool negative = !filter.empty() && filter[0] == '-';
    if (negative) {
        filter.erase(0, 1);
    }
    if (filter.empty() || filter == "all") {
        filter = ".";
    }
    try {
        const std::regex pattern(filter, std::regex::extended);
        for (const bench_row *row : rows) {
            if (std::regex_search(row->name, pattern) != negative) {
                selected->push_back(row);
            }
        }
    } catch (const std::regex_error &error) {
        std::fprintf(stderr, "--benchmark_filter: %s\n", error.what());
        return false;
    }
    return true;
}

} // namespace

void bench_add(const bench_row *row)
{
    rows.push_back(row);
}

void bench_count(bench *run, const char *counter, double value)
{
    run->counters[counter] = value;
}

void bench_fail(bench *run, const char *format, ...)
{
    if (!run->failure.empty()) {
        return;
    }
    char text[256];
    va_list args;
    va_start(args, format);
    std::vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    run->failure = text;
}

int bench_main(int argc, char **argv)
{
    const std::string out = flag_value(argc, argv, "--benchmark_out");
    const std::string out_format = flag_value(argc, argv, "--benchmark_out_format");
    const std::string list = flag_value(argc, argv, "--benchmark_list_tests");

    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
        return 1;
    }
    std::vector<const bench_row *> selected;
    if (!select_rows(benchmark::GetBenchmarkFilter(), &selected)) {
        return 1;
    }
    if (selected.empty()) {
        std::fprintf(stderr, "no row matches the filter\n");
        return 1;
    }
    if (!list.empty() && list != "false" && list != "0") {
        for (const bench_row *row : selected) {
            std::puts(row->name);
        }
        return 0;
    }
    for (const bench_row *row : selected) {
        register_row(row);
    }

    plain_names display(benchmark::CreateDefaultDisplayReporter());
    std::unique_ptr<plain_names> file;
    if (!out.empty()) {
        benchmark::BenchmarkReporter *inner;
        if (out_format == "console") {
            inner = new benchmark::ConsoleReporter(benchmark::ConsoleReporter::OO_None);
        } else {
            inner = new benchmark::JSONReporter;
        }
        file = std::make_unique<plain_names>(inner);
    }
    benchmark::RunSpecifiedBenchmarks(&display, file.get(), ".");
    benchmark::Shutdown();
    return any_failed;
}
