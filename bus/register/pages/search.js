"use strict";
(() => {
  const find = id => document.getElementById(id);
  const plain = text => text.normalize("NFD").replace(/\p{M}/gu, "").replace(/đ/gi, "d").toLowerCase();
  const cards = [...find("cards").children].map(card => [card, plain(card.dataset.text)]);
  const choices = ["state", "ground", "recipient"].map(name => [name, find(name)]);
  const search = () => {
    const words = plain(find("q").value).split(/\s+/).filter(Boolean);
    let count = 0;
    for (const [card, text] of cards) {
      const shown = words.every(word => text.includes(word))
        && choices.every(([name, choice]) => !choice.value || card.dataset[name] === choice.value);
      card.hidden = !shown;
      count += shown;
    }
    find("count").textContent = count;
    find("nothing").hidden = count > 0;
  };
  find("search").hidden = false;
  find("search").addEventListener("input", search);
  find("search").addEventListener("submit", event => event.preventDefault());
  addEventListener("pageshow", search); // by then a browser that went back has put back what was typed and chosen
})();
