#include "client/ctl/svg_chart.h"

#include <algorithm>
#include <cmath>
#include <ostream>

#include "client/ctl/table.h"
#include "client/text.h"

namespace objpool::client {
namespace {

// The whole, and what is left around the lines for words.
constexpr double kWidth = 860;
constexpr double kHeight = 300;
constexpr double kLeft = 70;
constexpr double kRight = 32;
constexpr double kTop = 12;
constexpr double kBottom = 46;

double Share(const ChartAxis& axis, double at) {
  return std::clamp((at - axis.from) / (axis.to - axis.from), 0.0, 1.0);
}

class Drawing {
 public:
  Drawing(const SvgChart& chart, std::ostream& out) : chart_(chart), out_(out) {}

  void Draw() {
    out_ << "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " << Decimal(kWidth, 0) << ' '
         << Decimal(kHeight, 0) << "\" role=\"img\" aria-label=\"" << Escaped(chart_.title)
         << "\">\n";
    Shades();
    XAxis();
    YAxis();
    for (const ChartLine& line : chart_.lines) Line(line);
    out_ << "</svg>\n";
  }

 private:
  [[nodiscard]] std::string X(double at) const {
    return Decimal(kLeft + (Share(chart_.x, at) * (kWidth - kLeft - kRight)), 1);
  }
  [[nodiscard]] std::string Y(double at) const {
    return Decimal(kHeight - kBottom - (Share(chart_.y, at) * (kHeight - kTop - kBottom)), 1);
  }

  void Stroke(const char* style, const std::string& x1, const std::string& y1,
              const std::string& x2, const std::string& y2) {
    out_ << "<path class=\"" << style << "\" d=\"M" << x1 << ' ' << y1 << 'L' << x2 << ' ' << y2
         << "\"/>\n";
  }
  void Word(const std::string& x, const std::string& y, const char* anchor,
            const std::string& text) {
    out_ << "<text x=\"" << x << "\" y=\"" << y << "\" text-anchor=\"" << anchor << "\">"
         << Escaped(text) << "</text>\n";
  }

  void Shades() {
    for (const ChartShade& shade : chart_.shades) {
      out_ << "<path class=\"shade\" d=\"M" << X(shade.from) << ' ' << Decimal(kTop, 1) << 'H'
           << X(shade.to) << 'V' << Decimal(kHeight - kBottom, 1) << 'H' << X(shade.from)
           << "Z\"/>\n";
    }
  }
  void XAxis() {
    const std::string bottom = Decimal(kHeight - kBottom, 1);
    for (const ChartTick& tick : chart_.x.ticks) {
      Stroke("grid", X(tick.at), Decimal(kTop, 1), X(tick.at), bottom);
      Word(X(tick.at), Decimal(kHeight - kBottom + 16, 1), "middle", tick.text);
    }
    Stroke("axis", Decimal(kLeft, 1), bottom, Decimal(kWidth - kRight, 1), bottom);
    Word(Decimal((kWidth + kLeft - kRight) / 2, 1), Decimal(kHeight - 8, 1), "middle",
         chart_.x.label);
  }
  void YAxis() {
    for (const ChartTick& tick : chart_.y.ticks) {
      Stroke("grid", Decimal(kLeft, 1), Y(tick.at), Decimal(kWidth - kRight, 1), Y(tick.at));
      Word(Decimal(kLeft - 8, 1), Y(tick.at), "end", tick.text);
    }
    out_ << "<text transform=\"translate(14 " << Decimal((kHeight + kTop - kBottom) / 2, 1)
         << ") rotate(-90)\" text-anchor=\"middle\">" << Escaped(chart_.y.label) << "</text>\n";
  }
  void Line(const ChartLine& line) {
    out_ << "<g class=\"s" << line.style << "\"><title>" << Escaped(line.name) << "</title>\n";
    for (const std::vector<ChartPoint>& part : line.parts) {
      out_ << "<path class=\"line\" d=\"";
      for (std::size_t i = 0; i < part.size(); ++i) {
        out_ << (i == 0 ? 'M' : 'L') << X(part[i].x) << ' ' << Y(part[i].y);
      }
      out_ << "\"/>\n";
      for (const ChartPoint& point : part) {
        if (point.text.empty()) continue;
        out_ << "<circle cx=\"" << X(point.x) << "\" cy=\"" << Y(point.y) << "\" r=\"2.5\"><title>"
             << Escaped(point.text) << "</title></circle>\n";
      }
    }
    out_ << "</g>\n";
  }

  const SvgChart& chart_;
  std::ostream& out_;
};

}  // namespace

std::string Escaped(std::string_view text) {
  std::string escaped;
  for (const char letter : Printable(text)) {
    switch (letter) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += letter;
    }
  }
  return escaped;
}

void WriteSvg(const SvgChart& chart, std::ostream& out) { Drawing(chart, out).Draw(); }

ChartAxis LinearAxis(std::string label, double most) {
  constexpr double kMostSteps = 6;
  double step = std::pow(10, std::floor(std::log10(std::max(most, 1.0))));
  for (const double part : {0.2, 0.5, 1.0, 2.0}) {
    if (most / (step * part) > kMostSteps) continue;
    step *= part;
    break;
  }
  step = std::max(step, 1.0);
  const double steps = std::max(1.0, std::ceil(most / step));
  ChartAxis axis{.label = std::move(label), .from = 0, .to = step * steps, .ticks = {}};
  for (double i = 0; i <= steps; ++i) axis.ticks.push_back({i * step, Decimal(i * step, 0)});
  return axis;
}

ChartAxis LogAxis(std::string label, double least, double most, std::string (*name)(double power)) {
  const double from = std::floor(std::log10(least));
  const double to = std::max(from + 1, std::ceil(std::log10(most)));
  ChartAxis axis{.label = std::move(label), .from = from, .to = to, .ticks = {}};
  for (double power = from; power <= to; ++power) axis.ticks.push_back({power, name(power)});
  return axis;
}

}  // namespace objpool::client
