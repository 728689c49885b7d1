#!/usr/bin/env python3
"""Opens a run's report.html in a real headless Chromium, on a desktop, a phone and in the dark, and judges it.

No message on the console, no request to any network, no serious accessibility fault by axe-core, at most 3 MB, open within a second, no sideways
scrolling. Screenshots are written for people to look at.

  python3 evidence/page.py RUN/report.html [FOLDER FOR SCREENSHOTS]
  CHROMIUM=FILE     the browser [default: chromium]
  WITHIN=SECONDS    the time in which it has to open [default: 1]
  AXE=FILE          axe.min.js of the npm package axe-core; without it accessibility is skipped, and said so

Needs the Python package playwright; says so and ends where it is missing.
"""
import os
import shutil
import sys
import time
from pathlib import Path

try:
    from playwright.sync_api import sync_playwright
except ImportError as missing:
    sys.exit(f"skipped: {missing}; pip install playwright")

WITHIN = float(os.environ.get("WITHIN") or 1)
VIEWS = {
    "desktop": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light", "device_scale_factor": 2, "is_mobile": True},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
}


def main():
    page_file = Path(sys.argv[1]).resolve()
    shots = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    axe = os.environ.get("AXE")
    faults = []
    size = page_file.stat().st_size
    print(f"size {size / 1e6:.2f} MB")
    browser_file = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not browser_file:
        sys.exit("skipped: no chromium; set CHROMIUM")
    if size > 3e6:
        faults.append(f"{size} bytes")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=browser_file, args=["--no-sandbox"])
        for name, view in VIEWS.items():
            context = browser.new_context(**view)
            page = context.new_page()
            said, asked = [], []
            page.on("console", lambda message: said.append(message.text))
            page.on("pageerror", lambda error: said.append(str(error)))
            page.on("request", lambda request: asked.append(request.url) if not request.url.startswith(("file:", "data:")) else None)
            start = time.perf_counter()
            page.goto(page_file.as_uri(), wait_until="load")
            seconds = time.perf_counter() - start
            drawn = page.evaluate("Object.keys(Chart.instances).length")
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            print(f"{name}: open in {seconds:.2f} s, {drawn} charts, {wide} px too wide, {len(said)} messages, {len(asked)} requests")
            if seconds > WITHIN or drawn == 0 or wide > 0 or said or asked:
                faults.append(f"{name}: {seconds:.2f} s, {drawn} charts, {wide} px, {said}, {asked}")
            if axe:
                page.evaluate(Path(axe).read_text())
                found = page.evaluate("axe.run().then((r) => r.violations.map((v) => [v.impact, v.id, v.nodes.length, v.nodes[0].html.slice(0, 160)]))")
                print(f"{name}: axe-core finds {len(found)}: {found}")
                faults += [f"{name}: {fault}" for fault in found if fault[0] in ("serious", "critical")]
            else:
                print("skipped: axe-core (set AXE)")
            if shots:
                shots.mkdir(parents=True, exist_ok=True)
                page.screenshot(path=shots / f"{name}.png", full_page=True)
            context.close()
        browser.close()
    if faults:
        sys.exit("\n".join(faults))
    print("no fault")


if __name__ == "__main__":
    main()
