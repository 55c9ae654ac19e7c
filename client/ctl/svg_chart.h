// SvgChart: lines over two axes as one <svg> element, well-formed as XML too, which takes its
// colours from the page that it stands in (classes s0, s1, ... of its lines; grid, axis, shade).
#pragma once

#include <cstddef>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

namespace objpool::client {

// For the text and the attributes of HTML and XML. Control characters are replaced.
[[nodiscard]] std::string Escaped(std::string_view text);

struct ChartTick {
  double at;
  std::string text;
};

struct ChartAxis {
  std::string label;
  double from = 0;
  double to = 1;  // more than `from`
  std::vector<ChartTick> ticks;
};

struct ChartPoint {
  double x;
  double y;
  std::string text;  // shown to who points at it. Empty: no dot is there.
};

struct ChartLine {
  std::string name;
  std::size_t style = 0;
  // Where a line has gaps, a part for each piece.
  std::vector<std::vector<ChartPoint>> parts;
};

struct ChartShade {
  double from;
  double to;
};

struct SvgChart {
  std::string title;
  ChartAxis x;
  ChartAxis y;
  std::vector<ChartLine> lines;
  std::vector<ChartShade> shades;  // of x
};

// Points beyond an axis are put on its end.
void WriteSvg(const SvgChart& chart, std::ostream& out);

// From 0 to `most` or a little more, with at most six round steps.
[[nodiscard]] ChartAxis LinearAxis(std::string label, double most);
// Powers of ten around `least` .. `most`, which are above 0; its places are their logarithms.
[[nodiscard]] ChartAxis LogAxis(std::string label, double least, double most,
                                std::string (*name)(double power));

}  // namespace objpool::client
