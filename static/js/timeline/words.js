// How lengths, amounts and moments read, as the server's templates write them. window.timelineWords(language, words).
(() => {
  const GAP = "\u00a0";
  const two = (value) => String(value).padStart(2, "0");
  window.timelineWords = (language, words) => {
    const number = new Intl.NumberFormat(language);
    const currencies = new Map();
    const length = (ms) => {
      if (ms === null) return words.wordRunning;
      const seconds = ms / 1000;
      if (seconds < 0.1) return `${Math.round(ms)}${GAP}ms`;
      if (seconds < 10) return `${seconds.toFixed(1)}${GAP}s`;
      const whole = Math.round(seconds);
      if (whole < 60) return `${whole}${GAP}s`;
      if (whole < 3600) return `${Math.floor(whole / 60)}${GAP}min${GAP}${two(whole % 60)}${GAP}s`;
      if (whole < 86400) return `${Math.floor(whole / 3600)}${GAP}h${GAP}${two(Math.floor((whole % 3600) / 60))}`;
      return `${Math.floor(whole / 86400)}${GAP}d${GAP}${Math.floor((whole % 86400) / 3600)}${GAP}h`;
    };
    const money = (minor, currency) => {
      if (minor === null || !currency) return "";
      if (!currencies.has(currency)) currencies.set(currency, new Intl.NumberFormat(language, { style: "currency", currency }));
      const format = currencies.get(currency);
      return format.format(minor / 10 ** format.resolvedOptions().maximumFractionDigits);
    };
    const clockOf = (timeZone) => new Intl.DateTimeFormat(language, { timeStyle: "medium", hour12: false, timeZone });
    return { number, length, money, clockOf };
  };
})();
