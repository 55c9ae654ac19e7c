#include "server/state_dump.h"

#include <algorithm>
#include <ostream>

#include "server/rpc/boot_clock.h"
#include "server/state_text.h"
#include "server/store/state_dir.h"
#include "server/store/state_reader.h"

namespace objpool::server {
namespace {

using lease::LeaseTable;
using store::FileView;
using store::PoolFacts;
using store::PoolFile;
using store::StateDir;

struct Counts {
  uint64_t leased = 0;
  uint64_t ended = 0;  // grants that are over, of handles that nobody has
  uint64_t quarantined = 0;
  uint64_t unfinished = 0;
  uint64_t damaged = 0;

  void Add(const LeaseTable::Inspected& record) {
    using Health = LeaseTable::Health;
    if (record.health == Health::kDamaged) {
      ++damaged;
    } else if (record.health == Health::kUnfinished) {
      ++unfinished;
    } else if (record.word.IsAt(lease::Place::kQuarantined)) {
      ++quarantined;
    } else {
      ++(record.word.leased() ? leased : ended);
    }
  }
};

std::string OrDash(const std::string& text) { return text.empty() ? "-" : text; }

class StateDump {
 public:
  StateDump(const StateCommand& command, std::ostream& out, std::ostream& err)
      : command_(command), out_(out), err_(err) {}

  int Run() {
    std::string why;
    const auto files = store::FilesIn(command_.folder, why);
    if (!files || (!files->has_clock && files->pools.empty())) {
      return Unreadable(files ? command_.folder + ": has no clock and no pools" : why);
    }
    const std::string holder = StateDir::HolderOf(command_.folder);
    if (command_.json) {
      JsonLine line("state_dir");
      line.Add("path", command_.folder).Add("in_use", !holder.empty()).Add("by", holder);
      out_ << line.Take();
    } else {
      out_ << "# state_dir " << Escaped(command_.folder) << ": "
           << (holder.empty() ? "not in use" : "in use by " + Escaped(holder)) << '\n';
    }
    ReadClock(files->has_clock);
    for (const std::string& file : files->pools) ReadPool(file);
    const char* const result = unreadable_ ? "unreadable" : damaged_ ? "damaged" : "sound";
    if (command_.json) {
      out_ << JsonLine("result").Add("result", result).Take();
    } else {
      out_ << "# " << result << '\n';
    }
    out_.flush();
    if (!out_.good()) return Unreadable("the output could not be written");
    return unreadable_ ? kStateUnreadable : damaged_ ? kStateDamaged : kStateSound;
  }

 private:
  int Unreadable(const std::string& why) {
    err_ << "objpoold: " << why << '\n';
    unreadable_ = true;
    return kStateUnreadable;
  }
  std::unique_ptr<FileView> Open(const std::string& file) {
    std::string why;
    auto view = FileView::Open(command_.folder + "/" + file, why);
    if (view == nullptr) (void)Unreadable(why);
    return view;
  }

  void ReadClock(bool there) {
    StateDir::ClockLook look;
    if (there) {
      const auto view = Open("clock");
      if (view == nullptr) return;
      // A server writes to it once a second: a copy that is being written is none that is damaged.
      constexpr int kTries = 10;
      for (int i = 0; i < kTries && (i == 0 || look.damaged_copies != 0); ++i) {
        look =
            StateDir::LookAtClock(view->bytes(), store::CurrentBoot(), rpc::BootNow() / 1'000'000);
      }
    }
    now_ = look.now;
    const bool sound = look.sound && look.damaged_copies == 0;
    damaged_ = damaged_ || !sound;
    const auto copies = static_cast<uint64_t>(look.damaged_copies);
    if (command_.json) {
      JsonLine line("clock");
      line.Add("there", there).Add("usable", look.sound).Add("damaged_copies", copies);
      line.Add("same_boot", look.same_boot).Add("clean_stop", look.clean).Add("now_ms", look.now);
      out_ << line.Take();
      return;
    }
    out_ << "# clock: " << (!there ? "missing" : !look.sound ? "damaged" : "sound");
    if (look.sound && copies != 0) out_ << " but for one of its two copies, which is damaged";
    if (look.sound) {
      out_ << (look.same_boot ? ", of this boot" : ", of another boot: times are as of its end")
           << (look.clean ? ", stopped cleanly" : ", not stopped cleanly");
    }
    out_ << '\n';
  }

  void ReadPool(const std::string& file) {
    const auto view = Open(file);
    if (view == nullptr) return;
    PoolFile::Look look = PoolFile::LookAt(view->bytes());
    if (look.why.empty() && look.facts->name + ".pool" != file) {
      look.why = "it is of another pool, " + look.facts->name;
    }
    damaged_ = damaged_ || !look.why.empty() || look.damaged_copies != 0;
    DescribePool(file, look);
    if (!look.why.empty()) return;
    if (!command_.json && !command_.verify) {
      out_ << "# POOL\tHANDLE\tVALUE\tFENCE\tSTATE\tREMAINING_MS\tENDED_AGO_MS\tHOLDER\n";
    }
    const HandleValues values(*look.facts);
    Counts counts;
    LeaseTable::Inspect(PoolFile::RecordsOf(view->bytes()),
                        static_cast<uint32_t>(look.facts->capacity),
                        [&](const LeaseTable::Inspected& record) {
                          counts.Add(record);
                          const bool wrong = record.health != LeaseTable::Health::kSound;
                          if (wrong || !command_.verify) WriteRecord(*look.facts, values, record);
                        });
    damaged_ = damaged_ || counts.damaged != 0;
    Sum(look.facts->name, counts);
  }

  void DescribePool(const std::string& file, const PoolFile::Look& look) {
    const PoolFacts facts = look.facts.value_or(PoolFacts{});
    const auto copies = static_cast<uint64_t>(look.damaged_copies);
    if (command_.json) {
      JsonLine line("pool");
      line.Add("pool", facts.name).Add("file", file).Add("version", facts.version);
      line.Add("capacity", facts.capacity).Add("epoch", facts.epoch);
      line.Add("description", facts.description);
      line.Add("damaged_copies", copies).Add("usable", look.why.empty()).Add("why", look.why);
      out_ << line.Take();
      return;
    }
    out_ << "# file " << Escaped(file) << ": ";
    if (!look.why.empty()) {
      out_ << "cannot be of use: " << Escaped(look.why) << '\n';
      return;
    }
    out_ << "pool " << Escaped(facts.name) << ", " << facts.capacity << " handles, "
         << Escaped(facts.description) << (facts.description_is_whole ? "" : "...") << "; version "
         << facts.version << ", epoch " << facts.epoch << ", header "
         << (copies == 0 ? "sound" : "sound but for one of its two copies, which is damaged")
         << '\n';
  }

  void WriteRecord(const PoolFacts& facts, const HandleValues& values,
                   const LeaseTable::Inspected& record) {
    const bool sound = record.health == LeaseTable::Health::kSound;
    const bool leased = sound && record.word.leased();
    const lease::BootMs time = record.word.time();
    const bool ended = sound && !leased && time != 0;
    const uint64_t remaining = time > now_ ? time - now_ : 0;
    const uint64_t ago = now_ > time ? now_ - time : 0;
    const std::string value = values.Of(record.handle);
    // Of what is not sound nothing can be believed.
    const std::string fence = sound ? std::to_string(record.grant.fence) : "";
    const std::string holder = sound ? record.grant.holder : "";
    if (command_.json) {
      JsonLine line("grant");
      line.Add("pool", facts.name).Add("handle", uint64_t{record.handle}).Add("value", value);
      line.Add("fence", fence).Add("state", StateName(record)).Add("holder", holder);
      if (leased) line.Add("remaining_ms", remaining);
      if (ended) line.Add("ended_ago_ms", ago);
      out_ << line.Take();
      return;
    }
    out_ << Escaped(facts.name) << '\t' << record.handle << '\t' << OrDash(Escaped(value)) << '\t'
         << OrDash(fence) << '\t' << StateName(record) << '\t'
         << (leased ? std::to_string(remaining) : "-") << '\t'
         << (ended ? std::to_string(ago) : "-") << '\t' << OrDash(Escaped(holder)) << '\n';
  }

  void Sum(const std::string& pool, const Counts& counts) {
    if (command_.json) {
      JsonLine line("records");
      line.Add("pool", pool).Add("leased", counts.leased).Add("ended", counts.ended);
      line.Add("quarantined", counts.quarantined).Add("unfinished", counts.unfinished);
      line.Add("damaged", counts.damaged);
      out_ << line.Take();
      return;
    }
    out_ << "# pool " << Escaped(pool) << ": " << counts.leased << " leased, " << counts.ended
         << " ended, " << counts.quarantined << " quarantined, " << counts.unfinished
         << " unfinished, " << counts.damaged << " damaged\n";
  }

  const StateCommand& command_;
  std::ostream& out_;
  std::ostream& err_;
  lease::BootMs now_ = 0;
  bool damaged_ = false;
  bool unreadable_ = false;
};

}  // namespace

int RunStateCommand(const StateCommand& command, std::ostream& out, std::ostream& err) {
  return StateDump(command, out, err).Run();
}

}  // namespace objpool::server
