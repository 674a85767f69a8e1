(function () {
  "use strict";
  var plots = [];
  document.querySelectorAll("script.figure").forEach(function (holder) {
    var figure = JSON.parse(holder.textContent);
    var place = document.getElementById(holder.dataset.for);
    figure.layout.autosize = true;
    Plotly.newPlot(place, figure.data, figure.layout, { responsive: true, displayModeBar: false });
    plots.push(place);
  });
  function width(pixels) {
    plots.forEach(function (place) {
      var height = Number(place.dataset.height);
      Plotly.relayout(place, pixels ? { width: pixels, height: Math.round(0.82 * height) }
        : { width: null, height: height, autosize: true });
    });
  }
  window.addEventListener("beforeprint", function () { width(660); });
  window.addEventListener("afterprint", function () { width(0); });
})();
