// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {Aggregator} from "./Aggregator.sol";

/// A proxy as Chainlink's: it turns to another aggregator with a new phase, and writes the phase above the 64 bits of the
/// aggregator's own round ids.
contract FeedProxy {
    address public immutable owner = msg.sender;
    uint16 public phaseId;
    mapping(uint16 => address) public phaseAggregators;

    constructor(Aggregator first) {
        phaseId = 1;
        phaseAggregators[1] = address(first);
    }

    /// Turns to another aggregator.
    function turnTo(Aggregator next) external {
        require(msg.sender == owner, "not the owner");
        phaseId += 1;
        phaseAggregators[phaseId] = address(next);
    }

    function aggregator() public view returns (Aggregator) {
        return Aggregator(phaseAggregators[phaseId]);
    }

    function decimals() external view returns (uint8) {
        return aggregator().decimals();
    }

    function getRoundData(uint80 id) public view returns (uint80, int256, uint256, uint256, uint80) {
        uint16 phase = uint16(id >> 64);
        address answers = phaseAggregators[phase];
        require(answers != address(0), "No data present");
        (uint80 round, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredIn) =
            Aggregator(answers).getRoundData(uint64(id));
        return (inPhase(phase, round), answer, startedAt, updatedAt, inPhase(phase, answeredIn));
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return getRoundData(inPhase(phaseId, aggregator().latestRound()));
    }

    function inPhase(uint16 phase, uint80 round) private pure returns (uint80) {
        return (uint80(phase) << 64) | uint64(round);
    }
}
