#include "client/ctl/completion.h"

#include <vector>

#include "client/ctl/parser_tree.h"

namespace objpool::client {
namespace {

// Prints the names of pools; quick where there is no server.
constexpr const char* kPools =
    "objpoolctl pools --timeout 500ms 2>/dev/null | awk 'NR > 1 { print $1 }'";

std::string Join(const std::vector<std::string>& words, const char* separator) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : separator) + word;
  return text;
}

// The words of the table below: of the shell's `case` that finds the command, of the values of
// options, and of what can follow a command. bash and zsh read the same.
struct Cases {
  std::string commands;  // patterns of "PATH WORD"
  std::string values;    // of "PATH OPTION"
  std::string words;     // of "PATH"
};

Cases CasesOf(const CLI::App& app) {
  Cases cases;
  for (const ParserNode& node : ParserTree(app)) {
    if (!node.path.empty()) {
      const std::size_t last = node.path.rfind(' ');
      const std::string parent = last == std::string::npos ? "" : node.path.substr(0, last);
      cases.commands +=
          (cases.commands.empty() ? "\"" : " | \"") + parent + ' ' + node.app->get_name() + '"';
    }
    for (const CLI::Option* option : OptionsOf(*node.app)) {
      const std::string values = Join(ValuesOf(*option), " ");
      if (values.empty()) continue;
      // Shared options go anywhere.
      cases.values += "    " + (node.path.empty() ? "*" : '"' + node.path + '"') + "\" --" +
                      option->get_lnames().front() + "\") next=\"" + values + "\" ;;\n";
    }
    std::vector<std::string> words = CommandNames(*node.app);
    const std::vector<std::string> options = OptionNames(*node.app);
    words.insert(words.end(), options.begin(), options.end());
    cases.words += "    \"" + node.path + "\") next=\"" + Join(words, " ") + '"' +
                   (WantsPool(*node.app) ? "; pools=yes" : "") + " ;;\n";
  }
  return cases;
}

// The common body: from `given`, the words before the one to be completed, to `next` and `pools`.
std::string FindWords(const Cases& cases) {
  return "  for word in \"${given[@]}\"; do\n"
         "    if [[ $word == -- ]]; then return 1; fi\n"
         "    case \"$at $word\" in " +
         cases.commands +
         ") at=\"${at:+$at }$word\" ;; esac\n"
         "    previous=$word\n"
         "  done\n"
         "  case \"$at $previous\" in\n" +
         cases.values +
         "  esac\n"
         "  if [[ -z $next ]]; then case \"$at\" in\n" +
         cases.words +
         "  esac; fi\n"
         "  if [[ -n $pools ]]; then next=\"$next $(" +
         kPools + ")\"; fi\n";
}

std::string FishQuote(const std::string& text) {
  std::string quoted = "'";
  for (const char letter : text) {
    if (letter == '\'' || letter == '\\') quoted += '\\';
    quoted += letter;
  }
  return quoted + '\'';
}

}  // namespace

std::string BashCompletion(const CLI::App& app) {
  return "# bash completion of objpoolctl: source <(objpoolctl completion bash)\n"
         "_objpoolctl_words() {\n" +
         FindWords(CasesOf(app)) +
         "}\n"
         "_objpoolctl() {\n"
         "  local at= previous= next= pools= word\n"
         "  local given=(\"${COMP_WORDS[@]:1:COMP_CWORD-1}\")\n"
         "  COMPREPLY=()\n"
         "  _objpoolctl_words || return 0\n"
         "  COMPREPLY=($(compgen -W \"$next\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n"
         "}\n"
         "complete -o default -F _objpoolctl objpoolctl\n";
}

std::string ZshCompletion(const CLI::App& app) {
  return "#compdef objpoolctl\n"
         "# zsh completion of objpoolctl: source <(objpoolctl completion zsh)\n"
         "_objpoolctl_words() {\n" +
         FindWords(CasesOf(app)) +
         "}\n"
         "_objpoolctl() {\n"
         "  local at= previous= next= pools= word\n"
         "  local -a given=(\"${(@)words[2,CURRENT-1]}\")\n"
         "  if _objpoolctl_words && [[ -n $next ]]; then compadd -- ${=next}; else _default; fi\n"
         "}\n"
         // zsh may have read this file to run it as _objpoolctl.
         "if [[ ${funcstack[1]} == _objpoolctl ]]; then _objpoolctl \"$@\"; "
         "else compdef _objpoolctl objpoolctl; fi\n";
}

std::string FishCompletion(const CLI::App& app) {
  std::string script =
      "# fish completion of objpoolctl: objpoolctl completion fish | source\n"
      "function __objpoolctl_at\n"
      "  set -l at objpoolctl\n"
      "  for word in (commandline -opc)[2..-1]\n"
      "    if test \"$word\" = --; return 1; end\n"
      "    if contains -- \"$at $word\"";
  for (const ParserNode& node : ParserTree(app)) {
    if (!node.path.empty()) script += " \\\n      'objpoolctl " + node.path + '\'';
  }
  script +=
      "\n      set at \"$at $word\"\n"
      "    end\n"
      "  end\n"
      "  test \"$at\" = \"$argv[1]\"\n"
      "end\n";
  for (const ParserNode& node : ParserTree(app)) {
    const std::string at = node.path.empty() ? "objpoolctl" : "objpoolctl " + node.path;
    const std::string here = "complete -c objpoolctl -n \"__objpoolctl_at '" + at + "'\"";
    for (const CLI::App* command : CommandsOf(*node.app)) {
      script += here + " -f -a " + command->get_name() + " -d " +
                FishQuote(command->get_description()) + '\n';
    }
    for (const CLI::Option* option : OptionsOf(*node.app)) {
      const std::string values = Join(ValuesOf(*option), " ");
      script += (node.path.empty() ? "complete -c objpoolctl" : here) + " -l " +
                option->get_lnames().front() + (option->get_expected_max() == 0 ? "" : " -x") +
                (values.empty() ? "" : " -a " + FishQuote(values)) + " -d " +
                FishQuote(option->get_description()) + '\n';
    }
    if (WantsPool(*node.app))
      script += here + " -f -a " + FishQuote('(' + std::string(kPools) + ')') + '\n';
  }
  return script;
}

}  // namespace objpool::client
