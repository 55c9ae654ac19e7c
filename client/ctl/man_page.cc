#include "client/ctl/man_page.h"

#include <sstream>

#include "client/ctl/parser_tree.h"

namespace objpool::client {
namespace {

// Text as it stands, also where a line begins like a request.
std::string Plain(const std::string& text) {
  std::string plain;
  bool line_begins = true;
  for (const char letter : text) {
    if (line_begins && (letter == '.' || letter == '\'')) plain += "\\&";
    if (letter == '\\') {
      plain += "\\e";
    } else if (letter == '-') {
      plain += "\\-";
    } else {
      plain += letter;
    }
    line_begins = letter == '\n';
  }
  return plain;
}

std::string OptionItem(const CLI::Option& option) {
  std::string item = ".TP\n\\fB" + Plain(option.get_name(option.get_positional())) + "\\fR";
  if (option.get_expected_max() != 0 && !option.get_positional()) {
    // CLI11 says the kind and, behind a colon, the kind again with its range.
    const std::string type = option.get_type_name();
    const bool ranged = type.find(" in [") != std::string::npos;
    item += " \\fI" + Plain(ranged ? type.substr(type.find(':') + 1) : type) + "\\fR";
  }
  item += '\n' + Plain(option.get_description());
  // A path is one of whoever made the page.
  if (!option.get_default_str().empty() && option.get_default_str().front() != '/')
    item += " [" + Plain(option.get_default_str()) + ']';
  if (!option.get_envname().empty()) item += "\n.br\nEnvironment: $" + Plain(option.get_envname());
  return item + '\n';
}

std::string OptionItems(const CLI::App& app) {
  std::string items;
  for (const CLI::Option* option : PositionalsOf(app)) items += OptionItem(*option);
  for (const CLI::Option* option : OptionsOf(app)) {
    const bool help = app.get_parent() != nullptr && option->get_lnames().front() == "help";
    if (!option->get_positional() && !help) items += OptionItem(*option);
  }
  return items;
}

std::string Footer(const CLI::App& app) {
  const std::string footer = app.get_footer();
  return footer.empty() ? "" : ".PP\n.nf\n" + Plain(footer) + "\n.fi\n";
}

}  // namespace

std::string ManPage(const CLI::App& app, const std::string& version) {
  std::string page = ".TH OBJPOOLCTL 1 \"\" \"objpool " + version + "\" \"User Commands\"\n";
  page += ".SH NAME\nobjpoolctl \\- " + Plain(app.get_description()) + '\n';
  page +=
      ".SH SYNOPSIS\n\\fBobjpoolctl\\fR [\\fIOPTIONS\\fR] \\fICOMMAND\\fR [\\fIARGUMENTS\\fR]\n";
  page +=
      ".SH OPTIONS\nThese go with every command, before or behind its own.\n" + OptionItems(app);
  page += ".SH COMMANDS\n";
  for (const ParserNode& node : ParserTree(app)) {
    // What has commands of its own does nothing itself.
    if (node.path.empty() || !CommandsOf(*node.app).empty()) continue;
    page += ".SS objpoolctl " + Plain(node.path);
    for (const CLI::Option* option : PositionalsOf(*node.app)) {
      page += ' ' + Plain(option->get_name(true));
    }
    page += '\n' + Plain(node.app->get_description()) + ".\n" + OptionItems(*node.app) +
            Footer(*node.app);
  }
  page += ".SH NOTES\n" + Footer(app);
  page += ".SH SEE ALSO\n.BR objpoold (8)\n";
  return page;
}

}  // namespace objpool::client
