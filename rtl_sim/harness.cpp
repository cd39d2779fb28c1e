// Runs whole sample streams through the Verilated decoder and compares every transfer at every tap with the golden model.
//
// Called by rtl_sim/harness.py, which also generates taps.h:
//   harness run JOB    one segment per line of JOB: its folder and its number of samples; one JSON line each on stdout
//   harness load FILE ARMED    only the load frames of FILE; one JSON line on what became of them
// A segment's folder holds samples.i16 and, per tap, <tap>.i32: the expected values in the order of their transfers.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

#include "Vtop.h"
#include "Vtop___024root.h"
#include "taps.h"
#include "verilated.h"

double sc_time_stamp() { return 0; }

#ifdef EVALUATE_PHASES
// What Vtop::eval calls between locking and emptying queues of messages, of which this model has none: for inputs that may
// have changed all of it, else what follows the clock alone. Names of the Verilator that rtl_sim.harness_model knows.
void Vtop___024root___eval(Vtop___024root* root);
bool Vtop___024root___eval_phase__act(Vtop___024root* root);
bool Vtop___024root___eval_phase__nba(Vtop___024root* root);
inline void evaluate(Vtop& top) { Vtop___024root___eval(top.rootp); }
inline void evaluate_clock(Vtop& top) {
    do {
        while (Vtop___024root___eval_phase__act(top.rootp)) {}
    } while (Vtop___024root___eval_phase__nba(top.rootp));
}
#else
inline void evaluate(Vtop& top) { top.eval(); }
inline void evaluate_clock(Vtop& top) { top.eval(); }
#endif

namespace {

// A read-only file in memory.
template <typename T>
struct Mapped {
    const T* data = nullptr;
    size_t count = 0, bytes = 0;

    explicit Mapped(const std::string& path) {
        const int file = open(path.c_str(), O_RDONLY);
        struct stat status;
        if (file < 0 || fstat(file, &status)) {
            std::fprintf(stderr, "harness: %s: %s\n", path.c_str(), std::strerror(errno));
            std::exit(2);
        }
        bytes = static_cast<size_t>(status.st_size);
        count = bytes / sizeof(T);
        if (bytes) data = static_cast<const T*>(mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0));
        close(file);
    }
    Mapped(const Mapped&) = delete;
    ~Mapped() {
        if (bytes) munmap(const_cast<T*>(data), bytes);
    }
};

// Expected values of one tap and how the transfers compare with them.
struct Checked {
    Mapped<int32_t> expected;
    size_t seen = 0, mismatches = 0, first = 0;
    int64_t first_found = 0;

    explicit Checked(const std::string& path) : expected(path) {}

    inline void value(int64_t found) {
        if (seen >= expected.count || expected.data[seen] != found) [[unlikely]] differs(found);
        seen++;
    }
    void differs(int64_t found) {
        if (seen < expected.count && !mismatches++) first = seen, first_found = found;
    }
    bool complete() const { return seen >= expected.count; }
};

// When a stream may move: 0 always, 1 a coin per cycle, 2 bursts of 1 to 24 cycles.
struct Stall {
    int kind;
    uint64_t state;
    int left = 0;
    bool moving = true;

    Stall(int kind, uint64_t seed) : kind(kind), state(seed * 0x9E3779B97F4A7C15ull + 1) {}
    uint64_t random() {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        return state;
    }
    inline bool moves() {
        if (kind == 0) return true;
        if (kind == 1) return random() & 1;
        if (!left--) left = static_cast<int>(random() % 24), moving = !moving;
        return moving;
    }
};

struct Options {
    int stall = 0;
    uint64_t clock_hz = 0, samples_per_s = 0;  // both 0: samples as fast as they are accepted
    uint64_t patience = 1000000;               // cycles without any transfer after which the run is given up
    std::string load;
};

template <int bits, bool is_signed, typename T>
inline int64_t extend(T raw) {
    const uint64_t value = static_cast<uint64_t>(raw) & (~0ull >> (64 - bits));
    return is_signed ? static_cast<int64_t>(value << (64 - bits)) >> (64 - bits) : static_cast<int64_t>(value);
}

// What lies from bit `at` of a payload on, at least 32 bits of it; Verilator keeps more than 64 bits as words of 32.
template <typename T>
inline uint64_t bits_from(const T& payload, unsigned at) {
    if constexpr (std::is_integral_v<T>) return static_cast<uint64_t>(payload) >> at;
    else {
        const unsigned word = at / 32, next = word + 1 < sizeof(payload) / 4 ? word + 1 : word;
        return (static_cast<uint64_t>(payload[next]) << 32 | payload[word]) >> at % 32;
    }
}

constexpr uint64_t PROVED_CYCLES = 20000;  // of a segment, in which it is looked at whether outputs follow inputs

struct Simulation {
    VerilatedContext context;
    Vtop top{&context};
    uint64_t cycle = 0;

    // One rising edge, with the inputs as they are; outputs are those of the cycle that begins with it. No output depends on an
    // input of its own cycle (the top level's rule in docs/streams.md), so nothing has to settle before the edge.
    inline void edge() { top.clk = 1, evaluate(top), lower_clock(*top.rootp), cycle++; }
    inline void edge_with_same_inputs() { top.clk = 1, evaluate_clock(top), lower_clock(*top.rootp), cycle++; }
    // Whether that is so for the inputs as they are now.
    bool outputs_stand() {
        const auto ready = top.s_axis_tready, valid = top.m_axis_tvalid;
        top.clk = 0, top.eval();
        return top.s_axis_tready == ready && top.m_axis_tvalid == valid;
    }
    // The falling edge moves nothing: where Verilator's note of the clock's last level can be reached, no evaluation is spent on it.
    template <typename Root>
    inline void lower_clock(Root& root) {
        if constexpr (requires { root.__Vtrigprevexpr___TOP__clk__0; }) root.__Vtrigprevexpr___TOP__clk__0 = 0;
        else top.clk = 0, top.eval();
    }

    void reset() {
        top.s_axis_tvalid = 0, top.m_axis_tready = 0;
        LOAD(load_tvalid) = 0;
        top.rst = 1;
        top.clk = 0, top.eval();
        for (int i = 0; i < 4; i++) edge();
        top.rst = 0;
        top.clk = 0, top.eval();  // what hangs on the reset alone
        cycle = 0;
    }

    // Feed the load port as fast as it takes bytes; false if it stops taking them.
    bool load(const Mapped<uint8_t>& frames) {
        for (size_t i = 0; i < frames.count; i++) {
            LOAD(load_tdata) = frames.data[i], LOAD(load_tvalid) = 1;
            for (int waited = 0; !LOAD(load_tready); waited++) {
                if (waited > 10000) return false;
                edge();
            }
            edge();
        }
        LOAD(load_tvalid) = 0;
        for (int i = 0; i < 64; i++) edge();
        return true;
    }
};

int run_segment(Simulation& sim, const std::string& folder, size_t samples, const Options& options) {
    const Mapped<int16_t> input(folder + "/samples.i16");
    std::vector<std::unique_ptr<Checked>> checked;
    for (const char* name : TAP_NAMES) checked.push_back(std::make_unique<Checked>(folder + "/" + name + ".i32"));
    Checked readout(folder + "/m_axis.i32");
    auto& top = sim.top;
    auto* const root = top.rootp;
    (void)root;
    const std::clock_t cpu_begin = std::clock();
    sim.reset();
    if (!options.load.empty() && !sim.load(Mapped<uint8_t>(options.load)))
        return std::fprintf(stderr, "harness: the load port stopped taking bytes\n"), 2;
    if (!options.load.empty() && !LOAD(loaded))
        return std::fprintf(stderr, "harness: the decoder takes no samples after this weight load (load_error=%d)\n", LOAD(load_error)), 2;
    const uint64_t start = sim.cycle;
    Stall in_stall(options.stall, 11), out_stall(options.stall, 12);
    std::vector<uint64_t> accepted;  // cycle in which the last sample of every token was taken
    uint64_t moved = sim.cycle, first_decision = 0, last_decision = 0, latency_min = ~0ull, latency_max = 0, longest_wait = 0;
    size_t next = 0, decisions = 0, of_decision = 0, token_left = SAMPLES_PER_TOKEN;
    bool offering = false, stuck = false;
    int drain = 256;
    while (drain) {
        const uint64_t arrival = options.clock_hz ? start + next * options.clock_hz / options.samples_per_s : 0;
        if (!offering && next < samples && sim.cycle >= arrival && in_stall.moves()) offering = true;
        const uint16_t sample = static_cast<uint16_t>(input.data[next < samples ? next : 0]);
        const bool taking = out_stall.moves();
        const bool changed = top.s_axis_tvalid != offering || top.s_axis_tdata != sample || top.m_axis_tready != taking;
        top.s_axis_tvalid = offering, top.s_axis_tdata = sample, top.m_axis_tready = taking;
        if (changed && sim.cycle < PROVED_CYCLES && !sim.outputs_stand())
            return std::fprintf(stderr, "harness: an output follows an input within a cycle, which docs/streams.md forbids\n"), 2;
        bool any = false;
#define TAP(index, name, bits, is_signed, lanes, stride)                                                       \
    if (TAP_SIGNAL(name##_valid)) {                                                                            \
        for (unsigned lane = 0; lane < lanes; lane++)                                                          \
            checked[index]->value(extend<bits, is_signed>(bits_from(TAP_SIGNAL(name##_payload), lane * stride))); \
        any = true;                                                                                            \
    }
        if (ANY_TAP) {
            TAPS
        }
#undef TAP
        if (offering && top.s_axis_tready) {
            if (options.clock_hz && sim.cycle - arrival > longest_wait) longest_wait = sim.cycle - arrival;
            if (!--token_left) accepted.push_back(sim.cycle), token_left = SAMPLES_PER_TOKEN;
            next++, offering = false, any = true;
        }
        if (top.m_axis_tvalid & top.m_axis_tready) {
            // one entry per value: the readout, then tlast and, where it is the last, the class
            const bool last = ++of_decision == OUTPUTS;
            readout.value(extend<32, true>(top.m_axis_tdata));
            readout.value(last ? (top.m_axis_tlast ? static_cast<int64_t>(top.m_axis_tuser) : -1) : -static_cast<int>(top.m_axis_tlast));
            if (last) {
                const uint64_t sample = decisions + TOKENS - 1 < accepted.size() ? accepted[decisions + TOKENS - 1] : sim.cycle;
                const uint64_t latency = sim.cycle - sample;
                latency_min = latency < latency_min ? latency : latency_min;
                latency_max = latency > latency_max ? latency : latency_max;
                if (!decisions++) first_decision = sim.cycle;
                last_decision = sim.cycle, of_decision = 0;
            }
            any = true;
        }
        if (changed) sim.edge();
        else sim.edge_with_same_inputs();
        if (any) moved = sim.cycle;
        const bool waiting_for_converter = options.clock_hz && !offering && next < samples;
        if (sim.cycle - moved > options.patience && !waiting_for_converter) {
            stuck = true;
            break;
        }
        // every tap complete: some cycles more, in which nothing may come
        if (next == samples && !any) {
            bool complete = readout.complete();
            for (const auto& one : checked) complete &= one->complete();
            drain -= complete;
        }
    }
    const double cpu_s = static_cast<double>(std::clock() - cpu_begin) / CLOCKS_PER_SEC;
    std::printf("{\"cycles\": %" PRIu64 ", \"cpu_s\": %.6f, \"decisions\": %zu, \"first_decision\": %" PRIu64
                ", \"last_decision\": %" PRIu64 ", \"latency_min\": %" PRIu64 ", \"latency_max\": %" PRIu64
                ", \"longest_wait\": %" PRIu64 ", \"samples\": %zu, \"stuck\": %s, \"taps\": {",
                sim.cycle - start, cpu_s, decisions, first_decision, last_decision, decisions ? latency_min : 0, latency_max,
                longest_wait, next, stuck ? "true" : "false");
    auto report = [](const char* name, const Checked& one, const char* end) {
        const long expected = one.mismatches ? one.expected.data[one.first] : 0;
        std::printf("\"%s\": [%zu, %zu, %zu, %zu, %ld, %" PRId64 "]%s", name, one.expected.count, one.seen, one.mismatches,
                    one.first, expected, one.first_found, end);
    };
    for (size_t i = 0; i < checked.size(); i++) report(TAP_NAMES[i], *checked[i], ", ");
    report("m_axis", readout, "}}\n");
    std::fflush(stdout);
    return 0;
}

int run_job(const char* path, const Options& options) {
    std::ifstream job(path);
    std::string folder;
    size_t samples;
    Simulation sim;
    while (job >> samples && std::getline(job >> std::ws, folder)) {
        const int code = run_segment(sim, folder, samples, options);
        if (code) return code;
    }
    return 0;
}

int run_load(const char* path, bool armed) {
    Simulation sim;
    auto& top = sim.top;
    LOAD(armed) = armed;
    sim.reset();
    const bool before = LOAD(loaded);
    const bool taken = sim.load(Mapped<uint8_t>(path));
    std::printf("{\"loaded_before\": %d, \"taken\": %d, \"loaded\": %d, \"load_error\": %d, \"load_refused\": %d, "
                "\"accepts_samples\": %d, \"cycles\": %" PRIu64 "}\n",
                before, taken, static_cast<int>(LOAD(loaded)), static_cast<int>(LOAD(load_error)),
                static_cast<int>(LOAD(load_refused)), static_cast<int>(top.s_axis_tready), sim.cycle);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    for (int i = 3; i + 1 < argc; i += 2) {
        const std::string name = argv[i];
        const char* value = argv[i + 1];
        if (name == "--stall") options.stall = std::atoi(value);
        else if (name == "--clock-hz") options.clock_hz = std::strtoull(value, nullptr, 10);
        else if (name == "--samples-per-s") options.samples_per_s = std::strtoull(value, nullptr, 10);
        else if (name == "--patience") options.patience = std::strtoull(value, nullptr, 10);
        else if (name == "--load") options.load = value;
        else if (name != "--armed") return std::fprintf(stderr, "harness: unknown option %s\n", name.c_str()), 2;
    }
    if (argc > 2 && !std::strcmp(argv[1], "run")) return run_job(argv[2], options);
    if (argc > 2 && !std::strcmp(argv[1], "load")) return run_load(argv[2], argc > 4 && std::atoi(argv[4]));
    std::fprintf(stderr, "usage: harness run JOB [--stall 0|1|2] [--clock-hz N --samples-per-s N] [--patience N] [--load FILE]\n"
                         "       harness load FILE [--armed 0|1]\n");
    return 2;
}
