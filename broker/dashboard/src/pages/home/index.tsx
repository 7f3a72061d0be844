/** Home: what waits for people, what is at work, what comes next and what it costs, a few lines of each. */
import { Page } from "../../ui/page";
import { Plan, Spent, Team } from "./side";
import { Alerts, Waits } from "./waits";
import { AtWork, LastRuns } from "./work";
import "./home.css";

export default function Home() {
  return (
    <Page title="Home">
      <div class="home">
        <div class="home-column">
          <Waits />
          <Alerts />
          <AtWork />
          <LastRuns />
        </div>
        <div class="home-column">
          <Team />
          <Plan />
          <Spent />
        </div>
      </div>
    </Page>
  );
}
