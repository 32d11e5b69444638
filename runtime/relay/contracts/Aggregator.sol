// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// An aggregator as Chainlink's proxies know them, without its oracles: the owner writes the rounds.
/// Interface: https://docs.chain.link/data-feeds/api-reference
contract Aggregator {
    struct Round {
        int256 answer;
        uint64 startedAt;
        uint64 updatedAt;
    }

    address public immutable owner = msg.sender;
    uint8 public immutable decimals;
    uint80 public latestRound;
    mapping(uint80 => Round) private rounds;

    event AnswerUpdated(int256 indexed current, uint256 indexed roundId, uint256 updatedAt);

    constructor(uint8 decimals_) {
        decimals = decimals_;
    }

    /// Writes the next round. A time of zero leaves it without data, as happens on chain.
    function push(int256 answer, uint64 updatedAt) public {
        require(msg.sender == owner, "not the owner");
        latestRound += 1;
        rounds[latestRound] = Round(answer, updatedAt, updatedAt);
        emit AnswerUpdated(answer, latestRound, updatedAt);
    }

    /// Writes several rounds in one transaction.
    function pushAll(int256[] calldata answers, uint64[] calldata times) external {
        require(answers.length == times.length, "as many times as answers");
        for (uint256 i = 0; i < answers.length; i++) push(answers[i], times[i]);
    }

    function getRoundData(uint80 id)
        public
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound)
    {
        require(id > 0 && id <= latestRound, "No data present");
        Round memory round = rounds[id];
        return (id, round.answer, round.startedAt, round.updatedAt, id);
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return getRoundData(latestRound);
    }
}
